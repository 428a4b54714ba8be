"""A kernel over time and space, applied to a window of frames that moves on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core import conv
from core.arrays import Array, array_module
from core.conv.blocks import Check, never
from core.conv.boundary import Boundary
from core.video.frames import Frames, index_in_time

# Of float64 images of the window and the result that the engine may need beside its own.
_COPIES = 4


def filtered(
    frames: Frames,
    kernel: Array,
    boundary: Boundary = "reflect",
    cval: float = 0,
    *,
    at_once: int = 8,
    memory_cap: int | None = None,
    check: Check = never,
) -> Iterator[Array]:
    """Convolve frames with a kernel, with few of them in memory at a time.

    Parameters
    ----------
    frames : Frames
        What is filtered.
    kernel : ndarray, shape (KT, KH, KW)
        In the precision to compute in, and where: frames are brought to its device. Its centre is
        at ``k // 2``, with boundary zero at ``(k - 1) // 2``, as in `core.conv.convolve`.
    boundary : str
        What lies outside in space, and before and after in time, by the engine's names.
    cval : float
        For boundary constant.
    at_once : int
        Frames that are computed together, see `frames_at_once`.
    memory_cap, check
        As in `core.conv.convolve`.

    Yields
    ------
    ndarray, shape (H, W) or (H, W, C)
        The frames in their order, of the dtype of the kernel, on its device.

    Examples
    --------
    >>> class Counted:
    ...     shape = (4, 1, 2)
    ...
    ...     def read(self, index):
    ...         return np.full((1, 2), index, float)
    >>> means = filtered(Counted(), np.ones((3, 1, 1)) / 3, "nearest", at_once=2)
    >>> [round(float(frame[0, 0]), 3) for frame in means]
    [0.333, 1.0, 2.0, 2.667]
    """
    count, length = frames.shape[0], kernel.shape[0]
    fixed = conv.FixedKernel(kernel)
    before = (length - 1) // 2 if boundary == "zero" else length // 2
    # Frame t is made of the frames from t - reach to t + before.
    reach = length - 1 - before
    xp = array_module(kernel)
    outside = xp.full(frames.shape[1:], cval if boundary == "constant" else 0, kernel.dtype)
    window: list[Array] = []
    held = -reach
    for start in range(0, count, at_once):
        stop = min(start + at_once, count)
        drop = start - reach - held
        window = window[drop:]
        held += drop
        for index in range(held + len(window), stop + before):
            check()
            place = index_in_time(index, count, boundary)
            frame = outside if place is None else xp.asarray(frames.read(place), kernel.dtype)
            window.append(frame)
        found = conv.convolve(
            xp.stack(window),
            fixed,
            "same",
            boundary,
            cval=cval,
            axes=(0, 1, 2),
            memory_cap=memory_cap,
            check=check,
        )
        # What the engine takes for outside of this window in time is not looked at.
        yield from found[reach : reach + stop - start]


def frames_at_once(shape: tuple[int, ...], length: int, itemsize: int, memory_cap: int) -> int:
    """Return how many frames to compute together.

    Parameters
    ----------
    shape : tuple of int
        Of all frames, (T, H, W) or (T, H, W, C).
    length : int
        Of the kernel in time.
    itemsize : int
        Bytes of a value.
    memory_cap : int
        Most bytes that may be used.

    Returns
    -------
    int
        At least 1; enough that few frames are computed that belong to another window.

    Examples
    --------
    >>> frames_at_once((1000, 100, 100), 5, 4, 1 << 30)
    32
    >>> frames_at_once((1000, 1000, 1000), 5, 4, 1 << 28)
    12
    """
    bytes_of_one = int(np.prod(shape[1:], dtype=np.int64)) * itemsize * _COPIES
    fits = memory_cap // max(bytes_of_one, 1) - (length - 1)
    return int(np.clip(min(fits, max(32, 4 * length)), 1, shape[0]))
