"""Multiplying the coefficients of a real transform, and keeping the largest of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import Array, array_module, fft_module, is_on_gpu
from core.conv.blocks import cores, for_each, never, workers_for
from core.frequency.grid import BOUNDARIES, Boundary
from core.nets.blas import one_thread

__all__ = ["BOUNDARIES", "Boundary", "Kept", "keep_largest", "multiply", "passed"]

# Coefficients that are transformed along the first axis at a time: they stay in the second cache.
_STRIP = 1 << 16


@dataclass(frozen=True, eq=False)
class Kept:
    """What is left of values after most coefficients were dropped.

    Attributes
    ----------
    values : ndarray
        As the inverse transform gives them.
    mask : ndarray of bool
        Which coefficients were kept, as the transform lays them out.
    fraction : float
        How many of all that is.
    """

    values: Array
    mask: Array
    fraction: float


def multiply(x: Array, mask: Array, axes: Sequence[int], boundary: Boundary) -> tuple[Array, float]:
    """Multiply the coefficients of ``x`` by ``mask``.

    Parameters
    ----------
    x : ndarray
        Real, floating point.
    mask : ndarray
        From `core.frequency.transfer`, with as many axes as ``axes``.
    axes : sequence of int
        Ascending; to transform along. Over the others the same is done again.
    boundary : {"reflect", "wrap"}
        What filters see beyond the edges: the values go on mirrored (``b a | a b c | c b``) or
        repeated (``b c | a b c | a b``).

    Returns
    -------
    y : ndarray
        Of the shape and dtype of ``x``.
    energy : float
        The share of the sum of the squared magnitudes that is left, from 0 to 1.

    Examples
    --------
    >>> y, energy = multiply(np.array([1.0, 2.0, 6.0]), np.array([1.0, 0.0, 0.0]), [0], "reflect")
    >>> y.round(9).tolist()
    [3.0, 3.0, 3.0]
    """
    over = (
        array_module(x)
        .asarray(mask, x.dtype)
        .reshape([mask.shape[axes.index(axis)] if axis in axes else 1 for axis in range(x.ndim)])
    )
    coefficients = _forward(x, axes[1:] or axes, boundary)
    if len(axes) == 1:
        coefficients *= over
    else:
        _across(coefficients, over, axes, boundary)
    y = _inverse(coefficients, x.shape, axes[1:] or axes, boundary)
    # The transform is orthonormal, so coefficients have the energy of their values.
    with one_thread():
        before, after = _squares(x), _squares(y)
    return y.astype(x.dtype, copy=False), after / before if before else 1.0


def _across(coefficients: Array, mask: Array, axes: Sequence[int], boundary: Boundary) -> None:
    """Transform along the first axis, multiply, transform back: strip by strip, in the cache."""
    fft, first, cut = fft_module(coefficients), axes[0], axes[1]
    if boundary == "reflect":
        forward, inverse = fft.dct, fft.idct
    else:
        forward, inverse = fft.fft, fft.ifft
    length = coefficients.shape[cut]
    # A GPU is busy with all of them at once only.
    width = length if is_on_gpu(coefficients) else -(-_STRIP * length // coefficients.size)

    def one(start: int) -> None:
        at: list[Any] = [slice(None)] * coefficients.ndim
        at[cut] = slice(start, start + width)
        strip = forward(coefficients[tuple(at)], axis=first, norm="ortho")
        strip *= mask[tuple(at)]
        coefficients[tuple(at)] = inverse(strip, axis=first, norm="ortho", overwrite_x=True)

    for_each(one, range(0, length, width), never, workers_for(coefficients))


def keep_largest(x: Array, fraction: float, axes: Sequence[int], boundary: Boundary) -> Kept:
    """Keep the coefficients of the largest magnitudes and drop the others.

    Parameters
    ----------
    x : ndarray
        Real, floating point.
    fraction : float
        How many to keep, from above 0 to 1. Those as large as the last one stay, too, so that
        the two halves of a wave stay together.
    axes, boundary
        See `multiply`. Each channel keeps its own.

    Returns
    -------
    Kept

    Examples
    --------
    >>> keep_largest(np.array([1.0, 2.0, 6.0]), 1 / 3, [0], "reflect").values.round(9).tolist()
    [3.0, 3.0, 3.0]
    """
    xp = array_module(x)
    coefficients = _forward(x, axes, boundary)
    magnitude = abs(coefficients)
    weight = _weights(coefficients.shape, x.shape, axes, boundary)
    others = [axis for axis in range(x.ndim) if axis not in axes]
    mask = xp.empty(magnitude.shape, bool)
    wanted = fraction * np.prod([x.shape[axis] for axis in axes])
    weights = xp.asarray(np.broadcast_to(weight, magnitude.shape))
    for place in np.ndindex(*(x.shape[axis] for axis in others)):
        at: list[Any] = [slice(None)] * x.ndim
        for axis, index in zip(others, place, strict=True):
            at[axis] = index
        one, counted = magnitude[tuple(at)].ravel(), weights[tuple(at)].ravel()
        order = xp.argsort(-one)
        last = int(xp.searchsorted(xp.cumsum(counted[order]), max(wanted, 1) * (1 - 1e-12)))
        # Halves of a wave differ by rounding.
        least = one[order[min(last, one.size - 1)]] * (1 - 8 * np.finfo(x.dtype).eps)
        mask[tuple(at)] = (one >= least).reshape(mask[tuple(at)].shape)
    kept = float((weights * mask).sum()) / float(weights.sum())
    y = _inverse(coefficients * mask, x.shape, axes, boundary)
    return Kept(y.astype(x.dtype, copy=False), mask, kept)


def passed(mask: Array, shape: tuple[int, ...], boundary: Boundary) -> float:
    """Return the share of all coefficients that a mask lets through by a half or more.

    Parameters
    ----------
    mask : ndarray
        From `core.frequency.transfer`.
    shape : tuple of int
        Of the values.
    boundary : {"reflect", "wrap"}
        Of the transform.

    Examples
    --------
    >>> passed(np.array([1.0, 0.5, 0.2]), (4,), "wrap")
    0.75
    """
    weight = np.broadcast_to(_weights(mask.shape, shape, range(len(shape)), boundary), mask.shape)
    return float((weight * (mask >= 0.5)).sum() / weight.sum())


def _forward(x: Array, axes: Sequence[int], boundary: Boundary) -> Array:
    fft, options = fft_module(x), _options(x)
    if boundary == "reflect":
        return fft.dctn(x, axes=axes, norm="ortho", **options)
    return fft.rfftn(x, axes=axes, norm="ortho", **options)


def _inverse(
    coefficients: Array, shape: tuple[int, ...], axes: Sequence[int], boundary: Boundary
) -> Array:
    fft, options = fft_module(coefficients), _options(coefficients)
    options["overwrite_x"] = True  # nobody looks at the coefficients any more
    if boundary == "reflect":
        return fft.idctn(coefficients, axes=axes, norm="ortho", **options)
    lengths = [shape[axis] for axis in axes]
    return fft.irfftn(coefficients, s=lengths, axes=axes, norm="ortho", **options)


def _options(x: Array) -> dict[str, Any]:
    return {} if is_on_gpu(x) else {"workers": cores()}


def _squares(x: Array) -> float:
    flat = x.ravel()
    return float(array_module(flat).vdot(flat, flat).real)


def _weights(
    stored: tuple[int, ...], shape: tuple[int, ...], axes: Sequence[int], boundary: Boundary
) -> Any:
    """Return how many coefficients of the whole transform each stored one stands for."""
    weight = np.ones([stored[axes[-1]] if axis == axes[-1] else 1 for axis in range(len(stored))])
    if boundary == "wrap":
        n = shape[axes[-1]]
        both = np.moveaxis(weight, axes[-1], 0)
        both[1 : (n + 1) // 2] = 2
    return weight
