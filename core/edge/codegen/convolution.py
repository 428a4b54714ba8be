"""The convolution of one image: lanes are output channels.

A tile of neighbouring pixels by vectors of channels is summed in registers. In every turn the
weights of one input channel and tap are loaded, and each pixel's number is multiplied with them.
So every size, stride and dilation takes the same path, and a dense layer is a tile of one pixel.
"""

from __future__ import annotations

from typing import NamedTuple

from core.conv.codegen.emit import Integer, Value
from core.edge.codegen.writing import FLOAT, Document, Writing

# Sums that must be under way at a time for the multipliers never to wait.
_UNDER_WAY = 8
# Multiply-adds that are written out one after the other.
_WRITTEN_OUT = 96
# A vector of inputs, of which each lane multiplies by itself (AArch64's FMLA by element).
_BY_ELEMENT = 4


class _Run(NamedTuple):
    """Inputs that lie side by side: how many rows and columns of taps, and how long."""

    rows: int
    columns: int
    length: int


class _Tile(NamedTuple):
    """A tile: its place in the weights, the biases and the pixel, and its size."""

    weights: Integer
    bias: Integer
    channel: Integer
    pixels: int
    vectors: int


def conv(writing: Writing, step: Document) -> None:
    """Write a convolution."""
    code, lanes = writing.code, writing.lanes
    outputs, rows, columns = step["y"]["shape"]
    pixels, vectors = step["tile"]
    inputs = step["kernel"][0] * step["kernel"][1] * step["x"]["shape"][0]
    at, bias = (writing.places[step[name]]["at"] for name in ("weight", "bias"))
    width = vectors * lanes
    full, rest = divmod(-(-outputs // lanes), vectors)

    def band(tile: _Tile) -> None:
        with code.loop(0, rows) as row, code.loop(0, columns, pixels) as column:
            # The last tile overlaps the one before, instead of being narrower.
            _tile(writing, step, tile, row, code.minimum(column, columns - pixels))

    with code.loop(0, full) as group:
        first = code.index((group, width))
        place = code.index(at, (group, inputs * width))
        band(_Tile(place, code.index(bias, first), first, pixels, vectors))
    if rest:
        first = full * width
        band(_Tile(at + inputs * first, bias + first, first, pixels, rest))


def _tile(writing: Writing, step: Document, tile: _Tile, row: Value, column: Value) -> None:
    code, lanes = writing.code, writing.lanes
    x, y, (sy, sx) = step["x"], step["y"], step["stride"]
    run = _run(step)
    biases = [
        code.load(writing.weights, FLOAT, lanes, code.index(tile.bias, v * lanes))
        for v in range(tile.vectors)
    ]
    each = tile.pixels * tile.vectors
    chains = max(1, min(_UNDER_WAY // each, run.length))
    sums = biases * tile.pixels + [writing.zero(lanes)] * ((chains - 1) * each)
    turns = max(chains, _WRITTEN_OUT // each // chains * chains)
    origin = code.index(x["at"], (row, sy * x["row"]), (column, sx * x["pixel"]))
    (dy, dx), width = step["dilation"], tile.vectors * lanes
    with (
        code.loop(0, run.rows, carried=sums) as i,
        code.loop(0, run.columns, carried=sums) as j,
    ):
        first = code.index(origin, (i, dy * x["row"]), (j, dx * x["pixel"]))
        taps = code.index((i, run.columns * run.length), (j, run.length))
        weights = code.index(tile.weights, (taps, width))
        full = run.length // turns * turns
        with code.loop(0, full, turns, carried=sums) as k:
            at = code.index(weights, (k, width))
            _multiply(writing, step, tile, sums, turns, code.index(first, k), at)
        if full < run.length:
            at = code.index(weights, full * width)
            left = run.length - full
            _multiply(writing, step, tile, sums, left, code.index(first, full), at)
    place = code.index(y["at"], (row, y["row"]), (column, y["pixel"]), tile.channel)
    for number in range(each):
        total = sums[number]
        for chain in range(1, chains):
            total = code.add(total, sums[chain * each + number])
        pixel, vector = divmod(number, tile.vectors)
        offset = pixel * y["pixel"] + vector * lanes
        writing.store(writing.activated(step, total), code.index(place, offset))


def _multiply(
    writing: Writing,
    step: Document,
    tile: _Tile,
    sums: list[Value],
    turns: int,
    x: Value,
    weights: Value,
) -> None:
    """Add the products of ``turns`` inputs that lie side by side, for each pixel of the tile."""
    code, lanes = writing.code, writing.lanes
    apart = step["stride"][1] * step["x"]["pixel"]
    each = tile.pixels * tile.vectors
    chains = len(sums) // each
    loaded: dict[tuple[int, int], Value] = {}

    def number(pixel: int, turn: int) -> Value:
        whole = turn // _BY_ELEMENT * _BY_ELEMENT
        if not _by_element(writing) or whole + _BY_ELEMENT > turns:
            return code.broadcast(writing.arena, FLOAT, lanes, code.index(x, pixel * apart + turn))
        if (pixel, whole) not in loaded:
            at = code.index(x, pixel * apart + whole)
            loaded[pixel, whole] = writing.load(at, _BY_ELEMENT)
        vector = loaded[pixel, whole]
        return code.shuffle(vector, vector, [turn - whole] * lanes)

    for turn in range(turns):
        taps = [
            code.load(
                writing.weights,
                FLOAT,
                lanes,
                code.index(weights, (turn * tile.vectors + v) * lanes),
            )
            for v in range(tile.vectors)
        ]
        for pixel in range(tile.pixels):
            value = number(pixel, turn)
            for v, tap in enumerate(taps):
                at = turn % chains * each + pixel * tile.vectors + v
                sums[at] = code.fma(value, tap, sums[at])


def _by_element(writing: Writing) -> bool:
    return writing.code.target.triple.startswith("aarch64")


def _run(step: Document) -> _Run:
    """Return which inputs of a window lie side by side."""
    x, (rows, columns), (dy, dx) = step["x"], step["kernel"], step["dilation"]
    channels = x["shape"][0]
    if x["pixel"] != channels or dx != 1:
        return _Run(rows, columns, channels)
    if rows == 1 or (dy == 1 and x["row"] == columns * channels):
        return _Run(1, 1, rows * columns * channels)
    return _Run(rows, 1, columns * channels)
