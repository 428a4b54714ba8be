"""Products of spectra, summed over input channels: what is between transforms of many channels.

A result is, at each frequency, a matrix of kernels times a matrix of inputs. Frequencies lie along
the vectors, so that nothing is broadcast, and a few outputs of a few inputs are summed in
registers while each loaded vector serves all of them.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache, partial
from typing import Protocol

from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.fft_complex import Complex, Vectors
from core.conv.codegen.fft_memory import RealArray
from core.conv.codegen.library import load
from core.conv.codegen.memory import address
from core.conv.codegen.target import Target, host

# Spectra of inputs and of kernels, sums, and the counts of inputs, outputs and channels.
_PARAMETERS: tuple[Kind, ...] = ("pointer", "pointer", "pointer", "integer", "integer", "integer")


class Product(Protocol):
    """A product kernel as a function of arrays."""

    def __call__(self, inputs: RealArray, kernels: RealArray, sums: RealArray) -> None:
        """Set ``sums[n, o]`` to the sum over ``c`` of ``inputs[n, c] * kernels[o, c]``.

        Parameters
        ----------
        inputs, kernels, sums : array
            Of shape ``(inputs, channels, elements)``, ``(outputs, channels, elements)`` and
            ``(inputs, outputs, elements)``: spectra as tile kernels leave them.
        """


def product(dtype: str, elements: int, inputs: int, outputs: int) -> Product:
    """Return the product kernel for at least so many inputs and outputs.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Of the parts of the complex numbers.
    elements : int
        Parts in a spectrum: `core.conv.codegen.fft_tile.tile_strides`.
    inputs, outputs : int
        How many there will be, or fewer.
    """
    # An accumulator takes two registers; each loaded input two, and the kernel's another two.
    wide = host().registers >= 32
    return _product(dtype, elements, min(inputs, 4 if wide else 2), min(outputs, 2))


@cache
def _product(dtype: str, elements: int, inputs: int, outputs: int) -> Product:
    name = f"fft_product_{inputs}x{outputs}"
    function = load(partial(_ir, host(), name, dtype, elements, inputs, outputs), name, _PARAMETERS)

    def call(inputs: RealArray, kernels: RealArray, sums: RealArray) -> None:
        n, channels, _ = inputs.shape
        function(address(inputs), address(kernels), address(sums), n, len(kernels), channels)

    return call


def _ir(target: Target, name: str, dtype: str, elements: int, inputs: int, outputs: int) -> str:
    code = Emitter(target, name, _PARAMETERS)
    x, w, y, x_count, w_count, channels = code.arguments
    vectors = Vectors(code, dtype, x)
    step = 2 * vectors.lanes
    with ExitStack() as loops:
        at = loops.enter_context(code.loop(0, elements, step))
        o = loops.enter_context(code.loop(0, w_count, outputs))
        n = loops.enter_context(code.loop(0, x_count, inputs))
        # The last group is moved back to where it is whole; what is done twice comes out the same.
        first_o = code.minimum(o, code.index(w_count, -outputs))
        first_n = code.minimum(n, code.index(x_count, -inputs))
        zero = code.constant(0.0, dtype, vectors.lanes)
        sums = [zero] * (2 * inputs * outputs)
        with code.loop(0, channels, carried=sums) as c:
            seen = [
                vectors.load(
                    x, code.index((code.index((code.index(first_n, i), channels), c), elements), at)
                )
                for i in range(inputs)
            ]
            totals: list[Complex] = []
            for j in range(outputs):
                row = code.index((code.index(first_o, j), channels), c)
                kernel = vectors.load(w, code.index((row, elements), at))
                for i in range(inputs):
                    index = 2 * (j * inputs + i)
                    before = sums[index], sums[index + 1]
                    totals.append(vectors.plus_product(before, seen[i], kernel))
            sums[:] = [part for total in totals for part in total]
        for j in range(outputs):
            for i in range(inputs):
                row = code.index((code.index(first_n, i), w_count), first_o, j)
                index = 2 * (j * inputs + i)
                vectors.store((sums[index], sums[index + 1]), y, code.index((row, elements), at))
    return code.finish()
