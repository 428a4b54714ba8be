"""Division in the frequency domain, held back where the blur has left nothing to divide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import scipy  # its parts, which take long to load, when they are first used

from core.arrays import Array, array_module, fft_module, is_on_gpu
from core.conv.blocks import cores
from core.errors import InvalidInput

Boundary: TypeAlias = Literal["reflect", "wrap"]
BOUNDARIES: tuple[Boundary, ...] = ("reflect", "wrap")


def wiener(
    y: Array, kernel: Array, axes: Sequence[int], noise: float, boundary: Boundary = "reflect"
) -> Array:
    """Undo a convolution by Wiener's filter.

    Each coefficient is multiplied by ``conj(H) / (|H| ** 2 + noise)``, with ``H`` that of the
    kernel. Of all linear filters this comes nearest on average, if signal and noise are white [1]_.

    Parameters
    ----------
    y : array
        Real, floating point.
    kernel : array
        Real, with as many axes as ``axes``; its sum is not 0. Its centre is at ``k // 2``.
    axes : sequence of int
        Ascending; along which ``y`` was convolved.
    noise : float
        The power of the noise, as a share of that of the signal; above 0.
    boundary : {"reflect", "wrap"}
        What lay outside of the unblurred values: a ring of them (``wrap``, which is exact), or
        unknown values, for which mirrored ones stand that blend from one edge into the other.

    Returns
    -------
    array
        Of the shape and dtype of ``y``.

    Raises
    ------
    InvalidInput
        The kernel is larger than ``y``, or its sum is 0.

    References
    ----------
    .. [1] R. Gonzalez and R. Woods, "Digital Image Processing", on minimum mean square error
       filtering.

    Examples
    --------
    >>> y = np.array([0.0, 0.25, 0.5, 0.25, 0.0])
    >>> x = wiener(y, np.array([0.25, 0.5, 0.25]), [0], 1e-9, "wrap")
    >>> abs(x.round(3)).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """
    return _divided(y, kernel, axes, boundary, lambda xp, _waves: noise)


def inverse(
    y: Array,
    kernel: Array,
    axes: Sequence[int],
    regularisation: float,
    boundary: Boundary = "reflect",
) -> Array:
    """Undo a convolution by least squares, with a price on roughness.

    Finds the ``x`` for which ``|kernel * x - y| ** 2 + regularisation * |laplacian x| ** 2`` is
    least [1]_: what the blur has left is divided by it, and the rest is made smooth.

    Parameters
    ----------
    y, kernel, axes, boundary
        See `wiener`.
    regularisation : float
        Above 0; the more, the smoother.

    Returns
    -------
    array
        Of the shape and dtype of ``y``. Its mean is that of ``y`` by the kernel's sum.

    Raises
    ------
    InvalidInput
        As `wiener`.

    References
    ----------
    .. [1] B. Hunt, "The application of constrained least squares estimation to image restoration
       by digital computer", IEEE Transactions on Computers 22, 1973.

    Examples
    --------
    >>> y = np.array([0.0, 0.25, 0.5, 0.25, 0.0])
    >>> x = inverse(y, np.array([0.25, 0.5, 0.25]), [0], 1e-9, "wrap")
    >>> abs(x.round(3)).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0]
    """

    def rough(xp: Any, waves: Sequence[Array]) -> Array:
        laplacian = sum(2 - 2 * xp.cos(2 * np.pi * wave) for wave in waves)
        return regularisation * xp.square(laplacian)

    return _divided(y, kernel, axes, boundary, rough)


def padded_shape(shape: Sequence[int], sides: Sequence[int], boundary: Boundary) -> tuple[int, ...]:
    """Return the lengths of the transform that a `Boundary` takes.

    Examples
    --------
    >>> padded_shape((100, 7), (5, 5), "reflect")
    (120, 14)
    """
    if boundary == "wrap":
        return tuple(shape)
    # Room for the kernel's reach and for the blend; no more can be mirrored than there is.
    return tuple(
        min(scipy.fft.next_fast_len(n + max(2 * k, 16), real=True), 2 * n)
        for n, k in zip(shape, sides, strict=True)
    )


def _divided(y: Array, kernel: Array, axes: Sequence[int], boundary: Boundary, extra: Any) -> Array:
    xp, fft = array_module(y), fft_module(y)
    shape = [y.shape[axis] for axis in axes]
    if any(k > n for k, n in zip(kernel.shape, shape, strict=True)):
        raise InvalidInput(
            "the kernel is larger than the input",
            field="kernel",
            given=" × ".join(map(str, kernel.shape)),
            accepted=f"at most {' × '.join(map(str, shape))}",
        )
    size = float(abs(kernel).sum())
    if abs(float(kernel.sum())) <= 1e-6 * size:
        raise InvalidInput(
            "a kernel whose sum is 0 leaves nothing of the mean, which no division brings back",
            field="kernel",
            given=f"sum {float(kernel.sum()):g}",
            accepted="a blur",
        )
    lengths = padded_shape(shape, kernel.shape, boundary)
    extended = y
    for axis, length in zip(axes, lengths, strict=True):
        extended = _blended(extended, axis, length)
    options = {} if is_on_gpu(y) else {"workers": cores()}
    spectrum = fft.rfftn(extended, axes=axes, **options)
    transfer = fft.rfftn(_centred(xp, kernel, lengths, y.dtype), **options)
    power = xp.square(transfer.real) + xp.square(transfer.imag)
    factor = transfer.conj() / (power + extra(xp, _waves(xp, lengths, y.dtype)))
    spectrum *= factor.reshape(
        [factor.shape[axes.index(axis)] if axis in axes else 1 for axis in range(y.ndim)]
    )
    x = fft.irfftn(spectrum, s=lengths, axes=axes, **options)
    inside = [slice(None)] * y.ndim
    for axis in axes:
        inside[axis] = slice(0, y.shape[axis])
    return xp.ascontiguousarray(x[tuple(inside)]).astype(y.dtype, copy=False)


def _blended(y: Array, axis: int, length: int) -> Array:
    """Return values that go on mirrored behind the last one, and come back to the first one."""
    xp, n = array_module(y), y.shape[axis]
    more = length - n
    if more == 0:
        return y
    flipped = xp.flip(y, axis)
    index: list[Any] = [slice(None)] * y.ndim
    index[axis] = slice(0, more)
    after = flipped[tuple(index)]
    index[axis] = slice(n - more, n)
    before = flipped[tuple(index)]
    ramp = 0.5 + 0.5 * np.cos(np.pi * (np.arange(more) + 1) / (more + 1))
    weight = xp.asarray(ramp, y.dtype).reshape(
        [-1 if other == axis else 1 for other in range(y.ndim)]
    )
    return xp.concatenate([y, weight * after + (1 - weight) * before], axis)


def _centred(xp: Any, kernel: Array, lengths: Sequence[int], dtype: Any) -> Array:
    """Return the kernel on a grid of these lengths, with its centre at the first point."""
    grid = xp.zeros(lengths, dtype)
    grid[tuple(slice(0, k) for k in kernel.shape)] = xp.asarray(kernel, dtype)
    return xp.roll(grid, [-(k // 2) for k in kernel.shape], range(len(lengths)))


def _waves(xp: Any, lengths: Sequence[int], dtype: Any) -> list[Array]:
    """Return the frequencies of the half that a real transform stores, ready to be broadcast."""
    last = len(lengths) - 1
    return [
        xp.asarray(
            (np.fft.rfftfreq(n) if axis == last else np.fft.fftfreq(n)).reshape(
                [-1 if other == axis else 1 for other in range(len(lengths))]
            ),
            dtype,
        )
        for axis, n in enumerate(lengths)
    ]
