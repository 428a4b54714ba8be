"""Scaling the kernels of a bank."""

from __future__ import annotations

from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidInput

Normalization: TypeAlias = Literal["none", "sum", "size", "l2", "softmax"]

NORMALIZATIONS: tuple[Normalization, ...] = ("none", "sum", "size", "l2", "softmax")


def normalize(bank: NDArray[Any], how: Normalization) -> NDArray[Any]:
    """Scale every kernel of a bank by itself.

    Parameters
    ----------
    bank : ndarray, shape (M, *K)
        The kernels, real or complex.
    how : {"none", "sum", "size", "l2", "softmax"}
        ``none`` leaves them as they are. ``sum`` divides by the sum of the taps, which keeps the
        brightness. ``size`` divides by the number of taps (by 9 for 3x3). ``l2`` divides by the
        Euclidean norm. ``softmax`` replaces each tap by ``exp(tap) / sum(exp(taps))``.

    Returns
    -------
    ndarray, shape (M, *K)
        ``bank`` itself for ``none``, else float64 (complex128 for a complex bank).

    Raises
    ------
    InvalidInput
        Names ``normalize``: for a kernel that has sum zero (``sum``), only zeros (``l2``),
        complex taps (``softmax``), NaN or infinite taps (all but ``none``), or an unknown ``how``.

    Examples
    --------
    >>> normalize(np.ones((1, 3, 3)), "size")[0, 0, 0] * 9
    np.float64(1.0)
    >>> normalize(np.array([[3.0, 4.0]]), "l2").tolist()
    [[0.6, 0.8]]
    """
    if how not in NORMALIZATIONS:
        raise InvalidInput(
            "no such normalization", field="normalize", given=how, accepted=NORMALIZATIONS
        )
    if how == "none":
        return bank
    taps = bank.astype(np.complex128 if np.iscomplexobj(bank) else np.float64)
    if not np.isfinite(taps).all():
        raise InvalidInput(
            "a kernel with NaN or infinite taps cannot be normalized",
            field="normalize",
            given=how,
            accepted="none",
        )
    axes = tuple(range(1, taps.ndim))
    match how:
        case "sum":
            return _by_sum(taps, axes)
        case "size":
            taps /= prod(taps.shape[1:])
            return taps
        case "l2":
            return _by_norm(taps, axes)
        case "softmax":
            return _softmax(taps, axes)


def _by_sum(taps: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    taps = _largest_to_one(taps, axes)
    total = taps.sum(axis=axes, keepdims=True)
    # What rounding leaves of taps that cancel is not a sum to divide by.
    rounding = 4 * np.finfo(np.float64).eps * np.abs(taps).sum(axis=axes, keepdims=True)
    _refuse(np.abs(total) <= rounding, "its taps sum to zero", "sum")
    taps /= total
    return taps


def _by_norm(taps: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    taps = _largest_to_one(taps, axes)
    norm = np.sqrt((np.abs(taps) ** 2).sum(axis=axes, keepdims=True))
    _refuse(norm == 0, "its taps are all zero", "l2")
    taps /= norm
    return taps


def _softmax(taps: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    if np.iscomplexobj(taps):
        raise InvalidInput(
            "complex taps have no softmax",
            field="normalize",
            given="softmax",
            accepted=["none", "sum", "size", "l2"],
        )
    # The largest exponent is 0, so nothing overflows and no sum is 0.
    exponentials: NDArray[Any] = np.exp(taps - taps.max(axis=axes, keepdims=True))
    exponentials /= exponentials.sum(axis=axes, keepdims=True)
    return exponentials


def _largest_to_one(taps: NDArray[Any], axes: tuple[int, ...]) -> NDArray[Any]:
    # So that neither a square nor a sum overflows, nor vanishes.
    largest = np.abs(taps).max(axis=axes, keepdims=True)
    taps /= np.where(largest > 0, largest, 1.0)
    return taps


def _refuse(at_fault: NDArray[np.bool_], why: str, how: Normalization) -> None:
    if at_fault.any():
        raise InvalidInput(
            f"kernel {int(np.argmax(at_fault))} of the bank cannot be scaled: {why}",
            field="normalize",
            given=how,
            accepted=["none", "size", "softmax"],
        )
