"""Sums of products for one image: a convolution or a dense layer, all taps and channels.

Numbers lie channels-last, ``(*spatial, channels)``, and lanes are output channels. A tile is P
neighbouring pixels by V vectors of output channels, and stays in registers for all steps of the
sum. A step is a tap and an input channel::

    out[p, v] += weight[step, v] * x[pixel[p] + offset[step]]      for every step

Offsets come in runs of consecutive numbers: a pixel's channels, or those of a whole row of taps.
Where tiles and runs begin stands in tables, so that one kernel serves every number of axes, kernel
size, dilation and padding; only the step from one pixel to the next is compiled in. A dense layer
is one pixel with a single run. Weights are packed beforehand, in the order in which they are read.

Where each output channel sees its own input channel only (depthwise), inputs are vectors as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.one_activation import Activation, activated
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 7 + ("integer",) * 7
# Sums that are added to in turn, so that none waits for its last addition.
_ENOUGH_SUMS = 8


@dataclass(frozen=True)
class Tile:
    """What a kernel is specialised for.

    Attributes
    ----------
    dtype, lanes : str, int
        Of its vectors.
    pixels, vectors : int
        P and V.
    step : int
        From an input pixel to that of the next output, in elements.
    activation : str
        What becomes of the sums.
    by_channel : bool
        Whether output channels see their own input channels only; there is one vector then.
    by_element : bool
        Whether inputs are loaded a vector at a time, of which each lane multiplies by itself.
    """

    dtype: str
    lanes: int
    pixels: int
    vectors: int
    step: int
    activation: Activation = "identity"
    by_channel: bool = False
    by_element: bool = False

    @property
    def width(self) -> int:
        """Output channels of a tile."""
        return self.vectors * self.lanes

    @property
    def chains(self) -> int:
        """Partial sums that each sum is made of: a power of two."""
        wanted = -(-_ENOUGH_SUMS // (self.pixels * self.vectors))
        return 1 << (wanted - 1).bit_length()


@lru_cache(maxsize=1024)
def kernel(tile: Tile) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, tile, host()), "one_sums", PARAMETERS)


def source(tile: Tile, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the input, the weights ``(blocks, runs, length, width)``, the biases
      ``(blocks, width)``, the output, and of the activation's `constants`;
    - a table of tiles: how far each begins in the input and in the output;
    - a table of runs: how far each begins from a pixel;
    - the first tile, and the one after the last; the same of blocks of output channels;
    - the numbers of runs, and of steps in a run;
    - how far output pixels are apart.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", 16, 4, 2, 16), host())
    True
    """
    code = Emitter(target, "one_sums", PARAMETERS)
    x, weights, biases, y, numbers, tiles, runs = code.arguments[:7]
    first, last, first_block, last_block, run_count, length, pitch = code.arguments[7:]
    dtype, lanes = tile.dtype, tile.lanes
    block_size = code.index((code.index((run_count, length)), tile.width))
    with code.loop(first_block, last_block) as block:
        own_weights = code.at(weights, dtype, code.index((block, block_size)))
        own_biases = code.at(biases, dtype, code.index((block, tile.width)))
        own_y = code.at(y, dtype, code.index((block, tile.width)))
        own_x = code.at(x, dtype, code.index((block, lanes))) if tile.by_channel else x
        with code.loop(first, last) as one:
            entry = code.at(tiles, "int64", code.index((one, 2)))
            corner = code.at(own_x, dtype, integer_at(code, entry, 0))
            sums = _emit_sums(code, tile, corner, runs, run_count, length, own_weights, own_biases)
            out = code.at(own_y, dtype, integer_at(code, entry, 1))
            for p in range(tile.pixels):
                for v in range(tile.vectors):
                    found = activated(code, tile, sums[p * tile.vectors + v], numbers)
                    code.store(found, out, code.index((pitch, p), v * lanes))
    return code.finish()


def _emit_sums(
    code: Emitter,
    tile: Tile,
    corner: Value,
    runs: Value,
    run_count: Value,
    length: Value,
    weights: Value,
    biases: Value,
) -> list[Value]:
    """Return the sums of a tile: for each pixel, its vectors."""
    dtype, lanes, chains = tile.dtype, tile.lanes, tile.chains
    bias = [code.load(biases, dtype, lanes, v * lanes) for v in range(tile.vectors)]
    zero = code.constant(0, dtype, lanes)
    each = tile.pixels * tile.vectors
    sums = bias * tile.pixels + [zero] * (each * (chains - 1))
    several = max(chains, lanes) if tile.by_element else chains
    # Not a remainder: 32-bit ARM would have to call a library for it.
    whole = code.builder.and_(length, code.integer(-several))
    with code.loop(0, run_count, carried=sums) as run:
        start = code.at(corner, dtype, integer_at(code, runs, run))
        factors = code.at(weights, dtype, code.index((code.index((run, length)), tile.width)))
        # What is left of a run after so many steps at a time.
        for begin, end, count in ((0, whole, several), (whole, length, 1))[: min(several, 2)]:
            with code.loop(begin, end, count, carried=sums) as step:
                read = [_reader(code, tile, start, step, p, count) for p in range(tile.pixels)]
                own_factors = code.at(factors, dtype, code.index((step, tile.width)))
                for turn in range(count):
                    own = turn % chains * each
                    _emit_step(code, tile, read, turn, own_factors, sums, own)
    for chain in range(1, chains):
        for i in range(each):
            sums[i] = code.add(sums[i], sums[chain * each + i])
    return sums[:each]


def _reader(
    code: Emitter, tile: Tile, start: Value, step: Value, pixel: int, count: int
) -> Callable[[int], Value]:
    """Return what loads a pixel's number of each of ``count`` steps, into all lanes."""
    first = code.index(step, pixel * tile.step)
    if not tile.by_element or count == 1:
        read = code.load if tile.by_channel else code.broadcast
        return lambda turn: read(start, tile.dtype, tile.lanes, code.index(first, turn))
    loaded = [
        code.load(start, tile.dtype, tile.lanes, code.index(first, turn))
        for turn in range(0, count, tile.lanes)
    ]

    def number(turn: int) -> Value:
        vector = loaded[turn // tile.lanes]
        return code.shuffle(vector, vector, [turn % tile.lanes] * tile.lanes)

    return number


def _emit_step(
    code: Emitter,
    tile: Tile,
    read: list[Callable[[int], Value]],
    turn: int,
    factors: Value,
    sums: list[Value],
    own: int,
) -> None:
    weight = [
        code.load(factors, tile.dtype, tile.lanes, code.index((turn, tile.width), v * tile.lanes))
        for v in range(tile.vectors)
    ]
    for p in range(tile.pixels):
        value = read[p](turn)
        for v in range(tile.vectors):
            i = own + p * tile.vectors + v
            sums[i] = code.fma(weight[v], value, sums[i])


def cycles(tile: Tile, steps: int) -> float:
    """Return about how many cycles a tile takes: two multiply-adds or two loads in one.

    Examples
    --------
    >>> cycles(Tile("float32", 16, 12, 2, 16), 1000) > cycles(Tile("float32", 16, 6, 2, 16), 1000)
    True
    """
    each = tile.pixels * tile.vectors
    # A vector of one block is multiplied by numbers straight from memory.
    loads = tile.pixels + tile.vectors
    latency = 4 / tile.chains
    return steps * (max(each / 2, loads / 2, latency) + 0.5) + 15 + 2 * each


def best_tile(like: Tile, row: int, filters: int, steps: int, registers: int) -> Tile:
    """Return the fastest tile for rows of ``row`` pixels with so many filters and steps.

    Parameters
    ----------
    like : Tile
        All but its pixels and vectors; these divide the vectors that there are.
    row, filters, steps : int
        Pixels of a row, filters, and products of each sum.
    registers : int
        Vector registers of the processor.

    Examples
    --------
    >>> tile = best_tile(Tile("float32", 16, 1, 1, 1), row=28, filters=64, steps=25, registers=32)
    >>> tile.pixels, tile.vectors
    (14, 2)
    """
    vectors = -(-filters // like.lanes)

    def fits(p: int, v: int) -> bool:
        inputs = p if like.by_element else int(v > 1)
        return p == 1 or p * v + v + inputs < registers

    found = [
        replace(like, pixels=p, vectors=v)
        for v in range(1, 2 if like.by_channel else vectors + 1)
        for p in range(1, row + 1)
        if vectors % v == 0 and fits(p, v)
    ]

    def seconds(tile: Tile) -> float:
        tiles = -(-row // tile.pixels) * -(-vectors // tile.vectors)
        return tiles * cycles(tile, steps)

    return min(found, key=seconds)
