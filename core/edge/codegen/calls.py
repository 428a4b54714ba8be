"""The steps of a plan as calls of the kernels for one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen import one_interleave, one_pool, one_rows, one_sums, one_whiten
from core.conv.codegen.one_rows import MOST_OPERANDS, Rows
from core.conv.codegen.one_sums import Tile, best_tile
from core.conv.codegen.target import Target
from core.edge.codegen.memory import At, Call, Packing, Tables
from core.nets.inference.sums import joined

Document: TypeAlias = "dict[str, Any]"
_FLOAT = "float32"
_NO_CONSTANTS = At("weights")
# Steps that write nothing but what they are to write; others write whole vectors.
_EXACT = ("input", "normalize")


class Board(NamedTuple):
    """What calls are made for.

    Attributes
    ----------
    target : Target
        The processor.
    packing : Packing
        Where the weights are.
    tables : Tables
        Takes what kernels read beside numbers.
    """

    target: Target
    packing: Packing
    tables: Tables

    @property
    def lanes(self) -> int:
        """Numbers of a vector register."""
        return self.target.lanes(4)

    def constants(self, step: Document) -> At:
        """Return where the constants of a step's activation are."""
        if step["act"] is None:
            return _NO_CONSTANTS
        return self.packing.address(step["constants"])


def call(step: Document, board: Board) -> Call | None:
    """Return the call that computes a step, or None where there is no kernel for it."""
    if step["op"] in _EXACT or not _spills(step, board.lanes):
        return _CALLS[step["op"]](step, board) if step["op"] in _CALLS else None
    return None


def widths(steps: Sequence[Document], target: Target) -> dict[int, int]:
    """Return how many outputs are computed together, for each matrix of weights by its number."""
    tiles = {"conv": _tile, "depthwise": _tile_by_channel}
    return {
        step["weight"]: tiles[step["op"]](step, target).width
        for step in steps
        if step["op"] in tiles
    }


def _spills(step: Document, lanes: int) -> bool:
    """Return whether whole vectors would be written into what lies around the outputs."""
    return bool(step["framed"] and step["y"]["pixel"] % lanes)


def _input(step: Document, board: Board) -> Call:
    y = step["y"]
    channels, rows, columns = y["shape"]
    plane, pitch = rows * columns, y["pixel"]
    if plane == 1:
        # A vector lies as the row of a picture with one channel does.
        channels, pitch, columns, plane = 1, 1, channels, channels
    table = np.stack([np.arange(rows) * columns, np.arange(rows) * y["row"]], axis=1)
    spec = one_interleave.Interleaving(_FLOAT, channels, pitch)
    address, place = At("arena", y["at"]), board.tables.keep(table)
    arguments = (At("image"), address, place, rows, columns, plane)
    return Call(partial(one_interleave.source, spec, board.target), arguments)


def _tile(step: Document, target: Target) -> Tile:
    x, (outputs, _, columns) = step["x"], step["y"]["shape"]
    like = Tile(
        _FLOAT,
        target.lanes(4),
        pixels=1,
        vectors=1,
        step=step["stride"][1] * x["pixel"],
        activation=_activation(step),
        by_element=target.by_element,
    )
    steps = step["kernel"][0] * step["kernel"][1] * x["shape"][0]
    return best_tile(like, columns, outputs, steps, target.registers)


def _tile_by_channel(step: Document, target: Target) -> Tile:
    x, (channels, _, columns) = step["x"], step["y"]["shape"]
    like = Tile(
        _FLOAT,
        target.lanes(4),
        pixels=1,
        vectors=1,
        step=step["stride"][1] * x["pixel"],
        activation=_activation(step),
        by_channel=True,
    )
    taps = step["kernel"][0] * step["kernel"][1]
    return best_tile(like, columns, channels, taps, target.registers)


def _conv(step: Document, board: Board) -> Call:
    return _sums(step, board, _tile(step, board.target), (step["weight"], step["bias"]))


def _depthwise(step: Document, board: Board) -> Call:
    numbers = step["weight"], step["bias"]
    return _sums(step, board, _tile_by_channel(step, board.target), numbers)


def _affine(step: Document, board: Board) -> Call:
    """Return the call of a depthwise convolution with one tap."""
    single = dict(step, kernel=(1, 1), stride=(1, 1), dilation=(1, 1))
    numbers = step["scale"], step["shift"]
    return _sums(single, board, _tile_by_channel(single, board.target), numbers)


def _sums(step: Document, board: Board, tile: Tile, numbers: tuple[int, int]) -> Call:
    x, y, (down, right) = step["x"], step["y"], step["stride"]
    outputs, rows, columns = y["shape"]
    apart = (step["dilation"][0] * x["row"], step["dilation"][1] * x["pixel"])
    taps = _grid(step["kernel"], apart).ravel()
    runs, length = joined(taps, 1 if tile.by_channel else x["shape"][0])
    # The last tile overlaps the one before, instead of being narrower.
    firsts = np.minimum(np.arange(0, columns, tile.pixels), columns - tile.pixels)
    tiles = np.stack(
        [
            np.add.outer(np.arange(rows) * row, firsts * pixel).ravel()
            for row, pixel in ((down * x["row"], right * x["pixel"]), (y["row"], y["pixel"]))
        ],
        axis=1,
    )
    weight, bias = (board.packing.address(number) for number in numbers)
    arguments = (
        At("arena", x["at"]),
        weight,
        bias,
        At("arena", y["at"]),
        board.constants(step),
        board.tables.keep(tiles),
        board.tables.keep(runs),
        *(0, len(tiles)),
        *(0, -(-outputs // tile.width)),
        *(len(runs), length, y["pixel"]),
    )
    return Call(partial(one_sums.source, tile, board.target), arguments)


def _pool(step: Document, board: Board) -> Call:
    x, y, (down, right) = step["x"], step["y"], step["stride"]
    channels, rows, columns = y["shape"]
    corners = _grid((rows, columns), (down * x["row"], right * x["pixel"])).ravel()
    seen = np.add.outer(corners, _grid(step["kernel"], (x["row"], x["pixel"])).ravel())
    out = _grid((rows, columns), (y["row"], y["pixel"])).ravel()
    largest = step["op"] == "max_pool"
    spec = one_pool.Window(_FLOAT, board.lanes, "largest" if largest else "mean", seen.shape[1])
    arguments = (
        At("arena", x["at"]),
        At("arena", y["at"]),
        board.tables.keep(np.column_stack([out, seen])),
        _NO_CONSTANTS if largest else board.packing.address(step["shares"]),
        len(out),
        -(-channels // board.lanes),
    )
    return Call(partial(one_pool.source, spec, board.target), arguments)


def _activated(step: Document, board: Board) -> Call:
    return _rows(step, [step["x"]], board)


def _add(step: Document, board: Board) -> Call | None:
    return _rows(step, step["xs"], board) if len(step["xs"]) <= MOST_OPERANDS else None


def _copy(step: Document, board: Board) -> Call:
    return _rows(dict(step, act=None), [step["x"]], board)


def _rows(step: Document, xs: Sequence[Document], board: Board) -> Call:
    y, lanes = step["y"], board.lanes
    channels, rows, columns = y["shape"]
    if all(x["pixel"] == y["pixel"] < channels + lanes for x in xs):
        # All pixels of a row at once.
        starts, length = [np.arange(rows) * t["row"] for t in (y, *xs)], columns * y["pixel"]
    else:
        starts = [_grid((rows, columns), (t["row"], t["pixel"])).ravel() for t in (y, *xs)]
        length = channels
    spec = Rows(_FLOAT, lanes, len(xs), _activation(step))
    arguments = (
        At("arena", y["at"]),
        board.constants(step),
        board.tables.keep(np.stack(starts, axis=1)),
        *(At("arena", x["at"]) for x in xs),
        *(len(starts[0]), -(-length // lanes)),
    )
    return Call(partial(one_rows.source, spec, board.target), arguments)


def _normalize(step: Document, board: Board) -> Call | None:
    x, y = step["x"], step["y"]
    channels, rows, columns = x["shape"]
    if x["pixel"] != channels:
        # Between the pixels lies what is none of the image.
        return None
    spec = one_whiten.Whitening(_FLOAT, board.lanes)
    table = np.stack([np.arange(rows) * t["row"] for t in (x, y)], axis=1)
    arguments = (
        At("arena", x["at"]),
        At("arena", y["at"]),
        board.packing.address(step["constants"]),
        board.tables.keep(table),
        *(rows, columns * channels),
    )
    return Call(partial(one_whiten.source, spec, board.target), arguments)


def _activation(step: Document) -> Any:
    return "identity" if step["act"] is None else step["act"][0]


def _grid(counts: Sequence[int], steps: Sequence[int]) -> NDArray[np.int64]:
    """Return ``i * steps[0] + j * steps[1]`` for all rows ``i`` and columns ``j``."""
    along = [np.arange(count) * step for count, step in zip(counts, steps, strict=True)]
    return np.add.outer(*along)


_CALLS: dict[str, Callable[[Document, Board], Call | None]] = {
    "input": _input,
    "conv": _conv,
    "depthwise": _depthwise,
    "max_pool": _pool,
    "average_pool": _pool,
    "activation": _activated,
    "add": _add,
    "copy": _copy,
    "affine": _affine,
    "normalize": _normalize,
}
