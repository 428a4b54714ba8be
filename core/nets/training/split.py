"""Which images are kept aside for validation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput

Indices = NDArray[np.int64]

# Keeps the random numbers of the split apart from those of the order of images.
_STREAM = 1


def split(
    count: int,
    fraction: float,
    seed: int,
    labels: Indices | None = None,
    classes: tuple[str, ...] = (),
) -> tuple[Indices, Indices]:
    """Divide the images into those to learn from and those to validate with.

    With labels the division is stratified: each class gives the same fraction, rounded so that
    the sum is right, but at least one image and not all of them.

    Parameters
    ----------
    count : int
        Number of images.
    fraction : float
        Share that is kept aside, above 0 and below 1.
    seed : int
        The same seed makes the same division.
    labels : ndarray of int64, shape (count,), optional
        The class of each image.
    classes : tuple of str, optional
        Names of the classes, for errors.

    Returns
    -------
    learned, validated : ndarray of int64
        Indices in ascending order.

    Raises
    ------
    InvalidInput
        If a class, or the whole, has a single image (names ``validation``).

    Examples
    --------
    >>> learned, validated = split(8, 0.25, seed=0, labels=np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    >>> len(learned), sorted(int(i) // 4 for i in validated)
    (6, [0, 1])
    """
    random = np.random.default_rng((seed, _STREAM))
    groups = [np.arange(count)] if labels is None else _by_class(labels, classes)
    if count < 2:
        raise _too_few("validation needs at least two images", count)
    shares = _shares(np.array([len(group) for group in groups]), fraction)
    kept = [random.permutation(g)[:share] for g, share in zip(groups, shares, strict=True)]
    validated = np.sort(np.concatenate(kept))
    return np.setdiff1d(np.arange(count), validated, assume_unique=True), validated


def _shares(sizes: Indices, fraction: float) -> Indices:
    """Round by largest remainders."""
    wanted = fraction * sizes
    shares: Indices = np.clip(np.floor(wanted).astype(np.int64), 1, sizes - 1)
    missing = max(0, round(wanted.sum()) - int(shares.sum()))
    largest = np.argsort(shares - wanted, kind="stable")[:missing]
    shares[largest] = np.minimum(shares[largest] + 1, sizes[largest] - 1)
    return shares


def _by_class(labels: Indices, classes: tuple[str, ...]) -> list[Indices]:
    found, counts = np.unique(labels, return_counts=True)
    if (counts == 1).any():
        single = int(found[counts == 1][0])
        name = classes[single] if single < len(classes) else str(single)
        raise _too_few(f"class {name!r} has a single image, which cannot be divided", 1)
    return [np.flatnonzero(labels == label) for label in found]


def _too_few(message: str, given: int) -> InvalidInput:
    return InvalidInput(
        message,
        field="validation",
        given=given,
        accepted="at least two images of each class, a data set for validation, or 0 for none",
    )
