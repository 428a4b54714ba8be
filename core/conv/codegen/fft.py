"""Convolution by generated tile FFTs (overlap-save).

A tile is spread along the vector registers, real and imaginary parts apart, and stays in the
caches of one core from its inputs to its outputs; see ``fft_tile``.
"""

from __future__ import annotations

from core.conv.algorithm import Cost
from core.conv.blocks import Check
from core.conv.codegen import fft_channels, fft_single, fft_staging
from core.conv.codegen.fft_memory import RealArray
from core.conv.codegen.fft_tiling import tilings
from core.conv.device import Device
from core.conv.normal import NormalForm
from core.conv.overlap_save import Tiling

__all__ = ["cost", "run", "tilings"]


def cost(form: NormalForm, device: Device, how: Tiling) -> Cost:
    """Predict what `run` takes, with one of `tilings`."""
    if _is_single(form):
        return fft_single.cost(form, device, how)
    return fft_channels.cost(form, device, how)


def run(
    form: NormalForm,
    x: RealArray,
    w: RealArray,
    out: RealArray,
    how: Tiling,
    device: Device,
    *,
    check: Check,
    memory_cap: int | None = None,
) -> None:
    """Fill ``out`` tile by tile; see `core.conv.algorithm.Run`.

    Parameters
    ----------
    form : NormalForm
        What to compute.
    x, w, out : array
        As `core.conv.algorithm.Run` takes them, in this machine's memory.
    how : Tiling
        One of `tilings`.
    device : Device
        The processor.
    check : callable
        Raises to cancel.
    memory_cap : int or None
        Whether there is room for a copy of what the kernels cannot read as it lies; without it
        tiles are copied one by one.
    """
    if _is_single(form):
        room = None if memory_cap is None else memory_cap - cost(form, device, how).bytes
        x = fft_staging.in_planes(form, x, room)
        fft_single.run(form, x, w, out, how, device, check=check)
    else:
        fft_channels.run(form, x, w, out, how, device, check=check)


def _is_single(form: NormalForm) -> bool:
    return form.groups == form.in_channels == form.out_channels
