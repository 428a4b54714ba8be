"""Call the generated tile kernels: loading, and memory for tiles."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import numpy as np

from core.conv.codegen.fft_layout import BoxArray
from core.conv.codegen.fft_tile import PARAMETERS, Task, tile_kernel, tile_strides
from core.conv.codegen.library import load
from core.conv.codegen.target import host
from core.conv.normal import Shape

RealArray = np.ndarray[Any, Any]

_LINE = 64


class Transform(Protocol):
    """A tile kernel as a function of arrays."""

    def __call__(
        self,
        inputs: BoxArray,
        outputs: BoxArray,
        strides: BoxArray,
        spectrum: RealArray,
        memory: RealArray,
    ) -> None:
        """Do one turn for each box, or for each two where tiles are real.

        Parameters
        ----------
        inputs, outputs : array of boxes
            Those that the task does not use may be anything.
        strides : array of int
            Bytes along each axis but the last, of the inputs and then of the outputs.
        spectrum, memory : array
            See `core.conv.codegen.fft_tile.tile_kernel`.
        """


@cache
def transform(task: Task, dtype: str, tile: Shape, *, is_complex: bool) -> Transform:
    """Return a tile kernel for this machine's processor."""
    kernel = tile_kernel(host(), task, dtype, tile, is_complex=is_complex)
    function = load(kernel.ir, kernel.name, PARAMETERS)
    constants, per_turn = kernel.constants, 1 if is_complex else 2

    def call(
        inputs: BoxArray,
        outputs: BoxArray,
        strides: BoxArray,
        spectrum: RealArray,
        memory: RealArray,
    ) -> None:
        function(
            address(inputs),
            address(outputs),
            len(outputs if task == "inverse" else inputs) // per_turn,
            address(strides),
            address(spectrum),
            address(memory),
            address(constants),
        )

    return call


def address(array: RealArray) -> int:
    """Return where the first element of ``array`` lies."""
    return int(array.__array_interface__["data"][0])


def strides_of(inputs: RealArray, outputs: RealArray, ndim: int) -> BoxArray:
    """Return the strides of two arrays, in bytes, as kernels take them."""
    rows = slice(-ndim, -1) if ndim > 1 else slice(0, 0)
    return np.array([*inputs.strides[rows], *outputs.strides[rows]], np.int64)


def tile_memory(dtype: str, tile: Shape, count: int) -> RealArray:
    """Return zeroed memory for ``count`` tiles, of shape ``(count, elements)``, on a cache line."""
    elements, item = tile_strides(dtype, tile)[0], np.dtype(dtype).itemsize
    raw = np.zeros(count * elements * item + _LINE, np.uint8)
    skip = -address(raw) % _LINE
    return raw[skip : skip + count * elements * item].view(dtype).reshape(count, elements)
