"""The generated tile kernels as functions of arrays."""

from __future__ import annotations

from functools import cache, partial
from typing import Protocol

import numpy as np

from core.conv.codegen.fft_layout import BoxArray
from core.conv.codegen.fft_memory import RealArray
from core.conv.codegen.fft_tile import PARAMETERS, Task, name_of, tile_kernel
from core.conv.codegen.library import load_with_constants
from core.conv.codegen.memory import address
from core.conv.codegen.target import host
from core.conv.normal import Shape


class Transform(Protocol):
    """A tile kernel as a function of arrays."""

    def __call__(
        self,
        inputs: BoxArray,
        outputs: BoxArray,
        strides: BoxArray,
        spectra: RealArray,
        memory: RealArray,
    ) -> None:
        """Do one turn for each box, or for each two where tiles are real.

        Parameters
        ----------
        inputs, outputs : array of boxes
            Those that the task does not use may be anything.
        strides : array of int
            Bytes along each axis but the last, of the inputs and then of the outputs.
        spectra : array of shape ``(kernels, elements)``
            Each is for as many turns as the others, one after the other.
        memory : array
            See `core.conv.codegen.fft_tile.tile_kernel`.
        """


@cache
def transform(task: Task, dtype: str, tile: Shape, *, is_complex: bool) -> Transform:
    """Return a tile kernel for this machine's processor."""
    write = partial(tile_kernel, host(), task, dtype, tile, is_complex=is_complex)
    function, numbers = load_with_constants(write, name_of(task, tile), PARAMETERS)
    constants, per_turn = np.frombuffer(numbers, dtype), 1 if is_complex else 2

    def call(
        inputs: BoxArray,
        outputs: BoxArray,
        strides: BoxArray,
        spectra: RealArray,
        memory: RealArray,
    ) -> None:
        turns = len(outputs if task == "inverse" else inputs) // per_turn
        function(
            address(inputs),
            address(outputs),
            turns,
            max(1, turns // len(spectra)),
            address(strides),
            address(spectra),
            address(memory),
            address(constants),
        )

    return call


def strides_of(inputs: RealArray, outputs: RealArray, ndim: int) -> BoxArray:
    """Return the strides of two arrays, in bytes, as kernels take them."""
    rows = slice(-ndim, -1) if ndim > 1 else slice(0, 0)
    return np.array([*inputs.strides[rows], *outputs.strides[rows]], np.int64)
