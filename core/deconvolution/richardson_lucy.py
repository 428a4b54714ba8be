"""Deconvolution that keeps values positive, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core import conv
from core.arrays import Array, array_module
from core.conv.blocks import Check, never
from core.errors import InvalidInput

# What is seen by less than this share of a whole value outside the edges is left as it was.
_HARDLY_SEEN = 1e-3


def richardson_lucy(
    y: Array,
    kernel: Array,
    axes: Sequence[int],
    iterations: int,
    *,
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Undo a convolution of counts step by step towards what makes them most likely.

    Each step multiplies the estimate by what the kernel, turned round, makes of the observed
    values over the expected ones [1]_ [2]_. The estimate reaches beyond the edges by what the
    kernel saw there, so nothing has to be assumed of the outside [3]_.

    Parameters
    ----------
    y : array
        Floating point, not negative.
    kernel : array
        Not negative, with sum 1, with as many axes as ``axes``. Its centre is at ``k // 2``.
    axes : sequence of int
        Along which ``y`` was convolved.
    iterations : int
        How many steps; more are sharper and noisier.
    memory_cap, check
        As in `core.conv.convolve`.

    Returns
    -------
    array
        Of the shape and dtype of ``y``, not negative.

    Raises
    ------
    InvalidInput
        A value or a tap is negative.

    References
    ----------
    .. [1] W. Richardson, "Bayesian-based iterative method of image restoration", Journal of the
       Optical Society of America 62, 1972.
    .. [2] L. Lucy, "An iterative technique for the rectification of observed distributions", The
       Astronomical Journal 79, 1974.
    .. [3] M. Bertero and P. Boccacci, "A simple method for the reduction of boundary effects in
       the Richardson-Lucy approach to image deconvolution", Astronomy and Astrophysics 437, 2005.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([0.0, 0.25, 0.5, 0.25, 0.0, 0.0])
    >>> x = richardson_lucy(y, np.array([0.25, 0.5, 0.25]), [0], 300)
    >>> x.round(1).tolist()
    [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    xp = array_module(y)
    for name, values in (("inputs", y), ("kernel", kernel)):
        if float(values.min()) < 0:
            raise InvalidInput(
                "Richardson and Lucy count, and there is no count below 0",
                field=name,
                given=float(values.min()),
                accepted="values of 0 and more; or the method wiener",
            )
    taps = conv.FixedKernel(kernel.astype(y.dtype, copy=False))
    options: dict[str, Any] = {"axes": axes, "memory_cap": memory_cap, "check": check}
    seen = conv.correlate(xp.ones_like(y), taps, "full", **options)
    known = seen > _HARDLY_SEEN
    x = xp.full(seen.shape, y.mean(), y.dtype)
    least = float(xp.finfo(y.dtype).tiny)
    for _ in range(iterations):
        check()
        expected = conv.convolve(x, taps, "valid", **options)
        # Where nothing is expected nothing was seen either, but for rounding.
        ratio = xp.where(expected > least, y / xp.maximum(expected, least), 0)
        gathered = conv.correlate(ratio, taps, "full", **options)
        x *= xp.where(known, xp.maximum(gathered, 0) / xp.where(known, seen, 1), 1)
    inside = [slice(None)] * y.ndim
    for axis, k in zip(axes, kernel.shape, strict=True):
        first = k - 1 - k // 2
        inside[axis] = slice(first, first + y.shape[axis])
    return xp.ascontiguousarray(x[tuple(inside)])


def extended_shape(
    shape: Sequence[int], axes: Sequence[int], sides: Sequence[int]
) -> tuple[int, ...]:
    """Return the shape of the estimate, which reaches beyond the edges.

    Examples
    --------
    >>> extended_shape((20, 30, 3), (0, 1), (5, 7))
    (24, 36, 3)
    """
    reach = dict(zip(axes, sides, strict=True))
    return tuple(n + reach.get(axis, 1) - 1 for axis, n in enumerate(shape))
