"""Data without correlations: standardised, or along the eigenvectors of their covariance."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, array_module
from core.errors import InvalidInput

Whitening: TypeAlias = Literal["standardise", "pca", "zca"]
WHITENINGS: tuple[Whitening, ...] = ("standardise", "pca", "zca")


def whiten(x: Array, how: Whitening) -> tuple[Array, Array, Array]:
    """Return data with mean 0 and variance 1.

    Parameters
    ----------
    x : ndarray, shape (T, D)
        Rows of ``D`` figures.
    how : {"standardise", "pca", "zca"}
        Each figure by its own deviation; along the eigenvectors of the covariance, the largest
        variance first; or the same turned back, which is nearest to the data.

    Returns
    -------
    y : ndarray, shape (T, R)
        ``(x - mean) @ matrix``. For ``pca`` and ``standardise`` figures without variance are left
        out, so that ``R`` may be smaller than ``D``; for ``zca`` they become 0.
    mean : ndarray, shape (D,)
    matrix : ndarray, shape (D, R)
        All three on the device that ``x`` is on.

    Raises
    ------
    InvalidInput
        Nothing varies.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(99, 3)) @ [[1, 2, 0], [0, 1, 0], [1, 0, 5]]
    >>> y, mean, matrix = whiten(x, "zca")
    >>> bool(np.allclose(np.cov(y.T), np.eye(3)))
    True
    """
    xp = array_module(x)
    x = xp.asarray(x, np.float64)
    mean = x.mean(axis=0)
    centred = x - mean
    # From the data themselves, not from their covariance: squares would lose half of the digits.
    if how == "standardise":
        deviation = xp.sqrt(xp.square(centred).sum(axis=0) / max(len(x) - 1, 1))
        directions = xp.eye(x.shape[1])
    else:
        _, sizes, rows = xp.linalg.svd(centred, full_matrices=False)
        deviation, directions = sizes / np.sqrt(max(len(x) - 1, 1)), rows.T
    largest = abs(x).max() if x.size else 0
    varies = deviation > max(x.shape) * np.finfo(float).eps * largest
    if not varies.any():
        raise InvalidInput(
            "nothing varies, so there is nothing to whiten",
            field="inputs",
            accepted="at least two different rows",
        )
    matrix = directions[:, varies] / deviation[varies]
    if how == "zca":
        matrix = matrix @ directions[:, varies].T
    return centred @ matrix, mean, matrix


def earlier(document: bytes, features: int) -> tuple[Whitening, NDArray[Any], NDArray[Any]]:
    """Return how an earlier whitening was done, its means and its matrix.

    Parameters
    ----------
    document : bytes
        JSON with ``method``, ``mean`` and ``matrix``, as a job writes it.
    features : int
        How many figures the rows have that are to be whitened.

    Returns
    -------
    how : {"standardise", "pca", "zca"}
    mean : ndarray, shape (D,)
    matrix : ndarray, shape (D, R)

    Raises
    ------
    InvalidInput
        It is no such document, or one for rows of another length.

    Examples
    --------
    >>> text = b'{"method": "pca", "mean": [1.0, 2.0], "matrix": [[0.5], [0.25]]}'
    >>> how, mean, matrix = earlier(text, 2)
    >>> (([[3.0, 6.0]] - mean) @ matrix).tolist()
    [[2.0]]
    """
    accepted = f"the JSON of a whitening of rows of {features} values"
    try:
        found = json.loads(document)
        how = WHITENINGS[WHITENINGS.index(found["method"])]
        mean, matrix = (np.array(found[name], np.float64) for name in ("mean", "matrix"))
    except (ValueError, TypeError, KeyError):
        raise InvalidInput("is no whitening", field="by", accepted=accepted) from None
    good = mean.shape == (features,) and matrix.ndim == 2 and len(matrix) == features
    if not (good and np.isfinite(mean).all() and np.isfinite(matrix).all()):
        given = f"means {mean.shape}, matrix {matrix.shape}"
        raise InvalidInput("does not fit the input", field="by", given=given, accepted=accepted)
    return how, mean, matrix
