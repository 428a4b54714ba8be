"""Sums over input channels and taps: the kernel under every convolution of many channels.

A tile is P output channels by V vectors, and stays in registers for all steps of the sum. A step
is one input channel and one tap: V input vectors, each multiplied by P weights::

    out[p, v] += weights[step, p] * x[offsets[step] + v]      for every step

Where the steps find their inputs stands in a table. So one kernel serves every number of axes,
kernel size, dilation and padding, and products of matrices, which have one tap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 5 + ("integer",) * 6


@dataclass(frozen=True)
class Tile:
    """What a kernel is specialised for.

    Parameters
    ----------
    dtype : str
        Real dtype of all numbers.
    lanes : int
        Numbers of a vector.
    panel : int
        Output channels of the tile; divides ``lanes``.
    vectors : int
        Vectors of each output channel.
    stride : int
        How many vectors the inputs of neighbouring output vectors are apart.
    """

    dtype: str
    lanes: int
    panel: int
    vectors: int
    stride: int


@lru_cache(maxsize=256)
def kernel(tile: Tile) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, tile, host()), "sums", PARAMETERS)


def source(tile: Tile, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments; all distances are counted in elements:

    - the address of the input;
    - a table of one distance per step;
    - the weights: blocks of ``lanes`` output channels, in each the weights of one step together;
    - a table of three distances per place of the tile: in the input, in the output, and in the
      weights;
    - the address of the output;
    - the number of steps, of panels and of places;
    - how far it is from one block of weights to the next, and from one channel of the output to
      the next;
    - whether the sums are added to what the output holds: 0 or 1.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", 16, 4, 4, 1), host())
    True
    """
    code = Emitter(target, "sums", PARAMETERS)
    x, offsets, weights, places, out, *numbers = code.arguments
    steps, panels, count, block, channel, adds = numbers
    lanes, per_block = tile.lanes, tile.lanes // tile.panel
    with code.loop(0, count) as place:
        entry = code.at(places, "int64", code.index((place, 3)))
        inputs = code.at(x, tile.dtype, integer_at(code, entry, 0))
        target_place = integer_at(code, entry, 1)
        own_weights = code.at(weights, tile.dtype, integer_at(code, entry, 2))
        with code.loop(0, panels) as p:
            blocks = code.builder.sdiv(p, code.integer(per_block))
            within = code.builder.srem(p, code.integer(per_block))
            panel = code.at(
                own_weights, tile.dtype, code.index((blocks, block), (within, tile.panel))
            )
            first = code.index((code.index((p, tile.panel)), channel), target_place)
            corner = code.at(out, tile.dtype, first)
            spots = [
                code.index((channel, o), v * lanes)
                for o in range(tile.panel)
                for v in range(tile.vectors)
            ]
            sums = [code.constant(0, tile.dtype, lanes) for _ in spots]
            with code.loop(0, adds, carried=sums):
                sums[:] = [code.load(corner, tile.dtype, lanes, spot) for spot in spots]
            with code.loop(0, steps, carried=sums) as step:
                at = code.at(inputs, tile.dtype, integer_at(code, offsets, step))
                vectors = [
                    code.load(at, tile.dtype, lanes, v * tile.stride * lanes)
                    for v in range(tile.vectors)
                ]
                for o in range(tile.panel):
                    weight = code.broadcast(panel, tile.dtype, lanes, code.index((step, lanes), o))
                    for v, vector in enumerate(vectors):
                        i = o * tile.vectors + v
                        sums[i] = code.fma(weight, vector, sums[i])
            for vector, spot in zip(sums, spots, strict=True):
                code.store(vector, corner, spot)
    return code.finish()


@lru_cache(maxsize=1024)
def best_tile(
    dtype: str, width: int, channels: int, stride: int, target: Target, *, divides: bool = False
) -> tuple[Tile, float]:
    """Return the tile that wastes least, and the share of the peak that it reaches.

    Parameters
    ----------
    dtype : str
        Real dtype.
    width : int
        Vectors in a row of outputs; a row is covered by tiles, the last one moved back.
    channels : int
        Output channels.
    stride : int
        See `Tile`.
    target : Target
        The processor.
    divides : bool
        Whether tiles must not overlap, because they add to what is there.

    Examples
    --------
    >>> tile, share = best_tile("float32", 28, 64, 1, host())
    >>> 28 % tile.vectors, share > 0.5
    (0, True)
    """
    lanes = target.lanes(np.dtype(dtype).itemsize)
    found = []
    for panel in (2**e for e in range(lanes.bit_length())):
        for vectors in range(1, width + 1):
            # The sums, the inputs of a step, one weight, and one to spare.
            if panel * vectors + vectors + 2 > target.registers and (panel, vectors) != (1, 1):
                break
            if divides and width % vectors:
                continue
            done = -(-width // vectors) * vectors * -(-channels // panel) * panel
            share = panel * vectors / 2 / cycles(panel, vectors) * width * channels / done
            found.append((share, vectors, Tile(dtype, lanes, panel, vectors, stride)))
    share, _, tile = max(found, key=lambda entry: entry[:2])
    return tile, share


def cycles(a: int, b: int) -> float:
    """Return the cycles of a step: ``a * b`` products of as many vectors and weights.

    Two multiply-adds and two loads begin in a cycle, a multiply-add takes four, and a step has a
    loop to run.
    """
    return max(a * b / 2, (a + b + 1) / 2, 4.0) + 0.5
