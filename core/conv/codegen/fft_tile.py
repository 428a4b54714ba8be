"""Circular convolution of tiles with a spectrum, read from one array and written to another.

A tile's last axis lies along the registers: ``(..., columns / lanes, 2, lanes)``, the parts of
the complex numbers in turn. Rows are transformed while they are read and while they are written;
the first axis goes forward, through the product, and back, column by column, without leaving the
first cache. Of real input two tiles ride in one, as its real and imaginary parts: a real kernel
keeps them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from llvmlite import ir

from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.fft_axis import Axis, Leaf, Sink, Source, Strip
from core.conv.codegen.fft_complex import Complex, Vectors
from core.conv.codegen.fft_window import RowWindow, lane_numbers
from core.conv.codegen.target import Target

Task = Literal["convolve", "forward", "inverse"]
Shape = tuple[int, ...]

PARAMETERS: tuple[Kind, ...] = ("pointer", "integer", "pointer", "pointer", "pointer", "pointer")
"""What tile kernels take: tiles, turns, strides in bytes, spectrum, scratch, constants."""


# Bytes of a line of the cache.
_LINE = 64
# How many rows before it is needed a row is fetched: long enough for main memory.
_ROWS_AHEAD = 8


@dataclass(frozen=True)
class TileKernel:
    """A generated kernel and the constants that it takes.

    Attributes
    ----------
    name : str
        Of the function.
    ir : str
        The module.
    constants : array
        To be passed by pointer.
    """

    name: str
    ir: str
    constants: np.ndarray[Any, Any]


def tile_strides(dtype: str, tile: Shape) -> tuple[int, ...]:
    """Return the elements from one tile to the next in scratch memory, then along its axes.

    Along the last axis that is a complex number's two parts. Every stride but that one is an odd
    number of cache lines: what lies a power of two apart meets in few sets of the cache.

    Examples
    --------
    >>> tile_strides("float32", (8, 64)), tile_strides("float32", (64,))
    ((1168, 144, 2), (144, 2))
    """
    line = _LINE // np.dtype(dtype).itemsize
    strides = [2]
    for n in reversed(tile):
        lines = -(-n * strides[0] // line)
        strides.insert(0, (lines | 1) * line)
    return tuple(strides)


def least_row(target: Target, dtype: str) -> int:
    """Return the shortest row that can be transformed: four vectors."""
    return 4 * target.lanes(np.dtype(dtype).itemsize)


def words(ndim: int) -> int:
    """Return how many 64-bit integers describe one tile.

    They are the addresses of the tile's first input and of its first output, then for each axis
    the first and the end of the inputs that exist, and how many outputs are wanted.
    """
    return 2 + 3 * ndim


@lru_cache(maxsize=64)
def tile_kernel(
    target: Target, task: Task, dtype: str, tile: Shape, *, is_complex: bool
) -> TileKernel:
    """Write a kernel that works on one tile after the other, a turn each.

    Parameters
    ----------
    target : Target
        The processor.
    task : {"convolve", "forward", "inverse"}
        ``forward`` reads inputs and leaves their spectrum in the scratch memory; ``inverse``
        takes a spectrum from there and writes outputs; ``convolve`` does both, and multiplies
        with the given spectrum in between.
    dtype : {"float32", "float64"}
        Of the numbers, or of their parts.
    tile : tuple of 1 to 3 int
        Powers of two; the last is at least `least_row`.
    is_complex : bool
        Whether arrays are complex. If not, each turn takes two tiles.

    Returns
    -------
    TileKernel
        Its transforms are not scaled: a result is too large by the points of a tile.
    """
    name = f"fft_{task}_{'x'.join(map(str, tile))}"
    code = Emitter(target, name, PARAMETERS)
    writer = _Writer(code, dtype, tile, is_complex)
    with code.loop(0, code.arguments[1]) as turn:
        writer.turn(turn, task)
    return TileKernel(name, code.finish(), writer.vectors.constants)


class _Writer:
    def __init__(self, code: Emitter, dtype: str, tile: Shape, is_complex: bool) -> None:
        self.code = code
        self.tiles, _, self.strides, self.spectrum, self.scratch, table = code.arguments
        self.vectors = Vectors(code, dtype, table)
        self.tile = tile
        self.is_complex = is_complex
        self.columns = tile[-1] // self.vectors.lanes
        self.vector_elements = 2 * self.vectors.lanes
        # From one vector to the next, along each axis.
        self.steps = [*tile_strides(dtype, tile)[1:-1], self.vector_elements]
        self.axes = [Axis(self.vectors, n, across=False) for n in tile[:-1]]
        self.axes.append(Axis(self.vectors, self.columns, across=True))
        self.numbers = lane_numbers(self.vectors)

    def turn(self, turn: Value, task: Task) -> None:
        """Do one turn: one complex tile, or two real ones."""
        length, tiles = words(len(self.tile)), 1 if self.is_complex else 2
        heads = [self.code.index((turn, tiles * length), i * length) for i in range(tiles)]
        forward, inverse = task != "inverse", task != "forward"
        if len(self.tile) == 1:
            self._row(heads, [], forward=forward, inverse=inverse)
            return
        inner = range(1, len(self.tile) - 1)
        if forward:
            with self._indices(self.tile[:-1]) as position:
                self._row(heads, position, forward=True, inverse=False)
            for axis in reversed(inner):
                self._columns(axis, forward=True, inverse=False)
        self._columns(0, forward=forward, inverse=inverse)
        if inverse:
            for axis in inner:
                self._columns(axis, forward=False, inverse=True)
            with self._indices(
                [self._most_outputs(heads, a) for a in range(len(self.axes) - 1)]
            ) as position:
                self._row(heads, position, forward=False, inverse=True)

    def _row(
        self, heads: list[Value], position: list[Value], *, forward: bool, inverse: bool
    ) -> None:
        strip, spectrum = self._strips(len(position), enumerate(position))
        source = self._source(heads, position) if forward else None
        sink = self._sink(heads, position) if inverse else None
        leaf = self._product(spectrum) if forward and inverse else _unchanged
        self.axes[-1].transform(
            strip, leaf, source=source, sink=sink, forward=forward, inverse=inverse
        )

    def _columns(self, axis: int, *, forward: bool, inverse: bool) -> None:
        others = [a for a in range(len(self.axes)) if a != axis]
        lengths = [*self.tile[:-1], self.columns]
        with self._indices([lengths[a] for a in others]) as position:
            strip, spectrum = self._strips(axis, zip(others, position, strict=True))
            leaf = self._product(spectrum) if forward and inverse else _unchanged
            self.axes[axis].transform(strip, leaf, forward=forward, inverse=inverse)

    def _strips(self, axis: int, position: Iterable[tuple[int, Value]]) -> tuple[Strip, Strip]:
        # Of the tile and of the spectrum, along an axis, at a position in the other axes.
        offset = self.code.index(*((i, self.steps[other]) for other, i in position))
        pointers = (
            self.code.at(memory, self.vectors.dtype, offset)
            for memory in (self.scratch, self.spectrum)
        )
        tile, spectrum = (Strip(self.vectors, p, self.steps[axis]) for p in pointers)
        return tile, spectrum

    def _product(self, spectrum: Strip) -> Leaf:
        def leaf(base: int | Value, values: list[Complex]) -> list[Complex]:
            return [
                self.vectors.times(value, spectrum.get(self.code.index(base, i)))
                for i, value in enumerate(values)
            ]

        return leaf

    def _source(self, heads: list[Value], position: list[Value]) -> Source:
        windows = self._inputs(heads, position)
        self._prefetch(self._inputs(heads, self._ahead(position)), write=False)
        if self.is_complex:
            return lambda i: windows[0].load_complex(self.code.index((i, self.vector_elements)))
        return lambda i: tuple(
            window.load(self.code.index((i, self.vectors.lanes))) for window in windows
        )

    def _sink(self, heads: list[Value], position: list[Value]) -> Sink:
        windows = self._results(heads, position)
        self._prefetch(self._results(heads, self._ahead(position)), write=True)

        def put(i: int | Value, value: Complex) -> None:
            if self.is_complex:
                windows[0].store_complex(value, self.code.index((i, self.vector_elements)))
                return
            for window, part in zip(windows, value, strict=True):
                window.store(part, self.code.index((i, self.vectors.lanes)))

        return put

    def _inputs(self, heads: list[Value], position: list[Value]) -> list[RowWindow]:
        return [
            self._window(
                self._word(head, 0),
                0,
                position,
                [
                    (self._word(head, 2 + 3 * a), self._word(head, 3 + 3 * a))
                    for a in range(len(self.axes))
                ],
            )
            for head in heads
        ]

    def _results(self, heads: list[Value], position: list[Value]) -> list[RowWindow]:
        zero = self.code.integer(0)
        return [
            self._window(
                self._word(head, 1),
                len(position),
                position,
                [(zero, self._word(head, 4 + 3 * a)) for a in range(len(self.axes))],
            )
            for head in heads
        ]

    def _ahead(self, position: list[Value]) -> list[Value]:
        # Rows lie on pages of their own, where no processor looks ahead by itself.
        return [*position[:-1], *(self.code.index(i, _ROWS_AHEAD) for i in position[-1:])]

    def _prefetch(self, windows: list[RowWindow], *, write: bool) -> None:
        if len(self.tile) == 1:
            return
        step = _LINE // np.dtype(self.vectors.dtype).itemsize
        for window in windows:
            for offset in range(0, self.tile[-1] * (2 if self.is_complex else 1), step):
                window.prefetch(offset, write=write)

    def _window(
        self,
        address: Value,
        stride: int,
        position: list[Value],
        limits: list[tuple[Value, Value]],
    ) -> RowWindow:
        # A row that lies outside in another axis is an empty window, at an address that exists:
        # to see that nothing lies at one that does not takes a processor a hundred times as long.
        builder = self.code.builder
        parts = 2 if self.is_complex else 1
        first, last = (self.code.index((limit, parts)) for limit in limits[-1])
        inside = ir.Constant(ir.IntType(1), 1)
        for axis, i in enumerate(position):
            address = self.code.index(address, (i, self._stride(stride + axis)))
            low, high = limits[axis]
            inside = builder.and_(inside, builder.icmp_signed(">=", i, low))
            inside = builder.and_(inside, builder.icmp_signed("<", i, high))
        last = builder.select(inside, last, first)
        address = builder.select(inside, address, builder.ptrtoint(self.scratch, ir.IntType(64)))
        pointer = builder.inttoptr(address, ir.PointerType())
        return RowWindow(self.vectors, self.numbers, pointer, first, last)

    def _most_outputs(self, heads: list[Value], axis: int) -> Value:
        # The larger of two is the negated smaller of the negated.
        counts = [self._word(head, 4 + 3 * axis) for head in heads]
        builder = self.code.builder
        most = counts[0]
        for count in counts[1:]:
            most = builder.select(builder.icmp_signed(">", count, most), count, most)
        return most

    def _word(self, head: Value, word: int) -> Value:
        return self._integer_at(self.tiles, self.code.index(head, word))

    def _stride(self, number: int) -> Value:
        return self._integer_at(self.strides, number)

    def _integer_at(self, pointer: Value, offset: int | Value) -> Value:
        return self.code.builder.load(
            self.code.at(pointer, "int64", offset), typ=ir.IntType(64), align=8
        )

    @contextmanager
    def _indices(self, counts: Sequence[int | Value]) -> Iterator[list[Value]]:
        with ExitStack() as loops:
            yield [loops.enter_context(self.code.loop(0, count)) for count in counts]


def _unchanged(base: int | Value, values: list[Complex]) -> list[Complex]:
    return values
