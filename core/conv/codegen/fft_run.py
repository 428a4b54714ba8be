"""Call the generated tile kernels: loading, memory, spectra."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from core.conv.codegen.fft_layout import Words
from core.conv.codegen.fft_tile import (
    PARAMETERS,
    Task,
    tile_kernel,
    tile_strides,
)
from core.conv.codegen.library import load
from core.conv.codegen.target import host
from core.conv.normal import Shape

RealArray = np.ndarray[Any, Any]
Turns = Callable[[Words, RealArray, RealArray, RealArray], None]
"""Called with tiles, byte strides, a spectrum and scratch memory."""

_LINE = 64


@cache
def tile_function(task: Task, dtype: str, tile: Shape, *, is_complex: bool) -> Turns:
    """Return the kernel for this machine's processor as a function of arrays."""
    kernel = tile_kernel(host(), task, dtype, tile, is_complex=is_complex)
    function = load(kernel.ir, kernel.name, PARAMETERS)
    constants = kernel.constants
    constants_address = address(constants)
    per_turn = tiles_per_turn(is_complex=is_complex)

    def turns(tiles: Words, strides: RealArray, spectrum: RealArray, scratch: RealArray) -> None:
        function(
            address(tiles),
            len(tiles) // per_turn,
            address(strides),
            address(spectrum),
            address(scratch),
            constants_address,
        )

    # The function must not outlive what the address points to.
    turns.constants = constants  # type: ignore[attr-defined]
    return turns


def tiles_per_turn(*, is_complex: bool) -> int:
    """Return how many tiles ride in one complex tile."""
    return 1 if is_complex else 2


def address(array: RealArray) -> int:
    """Return where the first element of ``array`` lies."""
    return int(array.__array_interface__["data"][0])


def tile_memory(dtype: str, tile: Shape, count: int) -> RealArray:
    """Return zeroed memory for ``count`` tiles, of shape ``(count, elements)``, on a cache line."""
    elements, item = tile_strides(dtype, tile)[0], np.dtype(dtype).itemsize
    raw = np.zeros(count * elements * item + _LINE, np.uint8)
    skip = -address(raw) % _LINE
    return raw[skip : skip + count * elements * item].view(dtype).reshape(count, elements)
