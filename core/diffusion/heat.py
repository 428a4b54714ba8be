"""The propagator of the diffusion equation on a grid: one convolution for any time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy  # its parts, which take long to load, when they are first used
from numpy.typing import NDArray

from core import conv
from core.arrays import Array
from core.conv.blocks import Check, never
from core.errors import InvalidInput
from core.kernels import MAX_SIDE

MAX_TIME = 20_000.0
"""Longest time of one convolution: its kernel has 3500 taps in double precision."""


def heat_kernel(time: float, dtype: Any = "float64") -> NDArray[Any]:
    """Return what a unit at one point has become along one axis after some time.

    The equation ``du/dt = u[n - 1] - 2 u[n] + u[n + 1]`` is solved exactly by a convolution with
    ``exp(-2 t) I_n(2 t)``, with modified Bessel functions: on a grid they are what the Gaussian of
    variance ``2 t`` is on the line [1]_. A sampled Gaussian solves it only roughly for small times.

    Parameters
    ----------
    time : float
        With a diffusivity of 1 pixel squared per unit of time; at most `MAX_TIME`.
    dtype : dtype
        What is below its precision is cut off.

    Returns
    -------
    ndarray, shape (2 * r + 1,)
        Positive, symmetric, with sum 1.

    Raises
    ------
    InvalidInput
        The time is not between 0 and `MAX_TIME`.

    References
    ----------
    .. [1] T. Lindeberg, "Scale-space for discrete signals", IEEE Transactions on Pattern Analysis
       and Machine Intelligence 12, 1990.

    Examples
    --------
    >>> heat_kernel(0.1)[7:12].round(3).tolist()
    [0.004, 0.082, 0.827, 0.082, 0.004]
    """
    if not 0 <= time <= MAX_TIME:
        raise InvalidInput(
            "no time for one convolution",
            field="time",
            given=time,
            accepted=f"0 to {MAX_TIME:g} pixels squared",
        )
    precision = float(np.finfo(dtype).eps) / 8
    # Beyond, the tail is that of a Gaussian or, for small times, falls faster.
    furthest = int(10 * np.sqrt(2 * time)) + 20
    half = scipy.special.ive(np.arange(furthest + 1), 2 * time)
    radius = max(int(np.flatnonzero(half > precision * half[0]).max()), 1)
    taps = np.concatenate([half[radius:0:-1], half[: radius + 1]])
    assert len(taps) <= MAX_SIDE
    kernel: NDArray[Any] = (taps / taps.sum()).astype(dtype)
    return kernel


def heat_kernels(time: float, ndim: int, dtype: Any = "float64") -> list[NDArray[Any]]:
    """Return the `heat_kernel` along each of several axes, with length 1 along the others.

    Examples
    --------
    >>> [kernel.shape for kernel in heat_kernels(0.1, 2, "float32")]
    [(11, 1), (1, 11)]
    """
    kernel = heat_kernel(time, dtype)
    # With all axes named the engine sees planes, where single lines would lie far apart.
    return [
        kernel.reshape([-1 if other == axis else 1 for other in range(ndim)])
        for axis in range(ndim)
    ]


def propagate(
    u: Array,
    time: float,
    axes: Sequence[int],
    boundary: str = "reflect",
    cval: float = 0,
    *,
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Return what diffusion with diffusivity 1 has made of ``u`` after some time.

    Parameters
    ----------
    u : array
        Floating point.
    time : float
        In pixels squared per diffusivity.
    axes : sequence of int
        Along which it diffuses.
    boundary : str
        By the engine's names: ``reflect`` is an insulated wall, ``wrap`` a ring; the others say
        what an unlimited medium outside holds at the start.
    cval : float
        For boundary constant.
    memory_cap, check
        As in `core.conv.convolve`.

    Returns
    -------
    array
        Of the shape and dtype of ``u``. With ``reflect`` and ``wrap`` the sum stays the same.

    Examples
    --------
    >>> u = propagate(np.array([0.0, 0, 0, 8, 0, 0]), 1000.0, [0])
    >>> u.round(6).tolist()
    [1.333333, 1.333333, 1.333333, 1.333333, 1.333333, 1.333333]
    """
    for kernel in heat_kernels(time, len(axes), u.dtype):
        # Others of the same time, such as the next frame of a film, find what is made of it.
        taps = conv.FixedKernel(kernel)
        u = conv.convolve(
            u, taps, "same", boundary, cval=cval, axes=axes, memory_cap=memory_cap, check=check
        )
    return u
