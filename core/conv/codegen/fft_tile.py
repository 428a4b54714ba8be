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
from typing import Literal

import numpy as np

from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.fft_axis import Axis, Leaf, Sink, Source, Strip
from core.conv.codegen.fft_complex import Complex, Vectors
from core.conv.codegen.fft_window import Boxes, lane_numbers
from core.conv.codegen.library import Written
from core.conv.codegen.memory import LINE_BYTES
from core.conv.codegen.target import Target

Task = Literal["convolve", "forward", "inverse"]
Shape = tuple[int, ...]

PARAMETERS: tuple[Kind, ...] = (
    "pointer",
    "pointer",
    "integer",
    "integer",
    "pointer",
    "pointer",
    "pointer",
    "pointer",
)
"""What tile kernels take: boxes of inputs and of outputs (`core.conv.codegen.fft_window.Boxes`),
the number of turns, and of those that share a spectrum, both boxes' strides in turn, spectra,
memory for tiles, constants."""

# Bytes of a line of the cache.
# How many rows before it is needed a row is fetched: long enough for main memory.
_ROWS_AHEAD = 8


def tile_strides(dtype: str, tile: Shape) -> tuple[int, ...]:
    """Return the elements from one tile to the next in scratch memory, then along its axes.

    Along the last axis that is a complex number's two parts. Every stride but that one is an odd
    number of pairs of cache lines: what lies a power of two apart meets in few sets of the cache,
    and a pair is a complex vector of the widest registers.

    Examples
    --------
    >>> tile_strides("float32", (8, 64)), tile_strides("float32", (64,))
    ((1312, 160, 2), (160, 2))
    """
    pair = 2 * LINE_BYTES // np.dtype(dtype).itemsize
    strides = [2]
    for n in reversed(tile):
        pairs = -(-n * strides[0] // pair)
        strides.insert(0, (pairs | 1) * pair)
    return tuple(strides)


def least_row(target: Target, dtype: str) -> int:
    """Return the shortest row that can be transformed: four vectors."""
    return 4 * target.lanes(np.dtype(dtype).itemsize)


def name_of(task: Task, tile: Shape) -> str:
    """Return the name of a kernel's function, by which a profile shows it.

    Examples
    --------
    >>> name_of("convolve", (64, 128))
    'fft_convolve_64x128'
    """
    return f"fft_{task}_{'x'.join(map(str, tile))}"


def tile_kernel(
    target: Target, task: Task, dtype: str, tile: Shape, *, is_complex: bool
) -> Written:
    """Write a kernel that works on one tile after the other, a turn each.

    Parameters
    ----------
    target : Target
        The processor.
    task : {"convolve", "forward", "inverse"}
        ``forward`` reads inputs and leaves their spectrum in the tile's memory; ``inverse`` takes
        a spectrum from there and writes outputs; each turn has memory of its own. ``convolve``
        does both, and multiplies with the given spectra in between; all turns share one memory.
    dtype : {"float32", "float64"}
        Of the numbers, or of their parts.
    tile : tuple of 1 to 3 int
        Powers of two or three times those; the last is at least `least_row`, or three times it.
    is_complex : bool
        Whether arrays are complex. If not, each turn takes two tiles.

    Returns
    -------
    Written
        Its transforms are not scaled: a result is too large by the points of a tile.
    """
    code = Emitter(target, name_of(task, tile), PARAMETERS)
    writer = _Writer(code, task, dtype, tile, is_complex=is_complex)
    with code.loop(0, code.arguments[2]) as turn:
        writer.turn(turn)
    return Written(code.finish(), writer.vectors.constants)


class _Writer:
    def __init__(
        self, code: Emitter, task: Task, dtype: str, tile: Shape, *, is_complex: bool
    ) -> None:
        inputs, outputs, _, self.sharing, strides, self.spectra, self.memory, table = code.arguments
        self.code = code
        self.forward, self.inverse = task != "inverse", task != "forward"
        self.vectors = Vectors(code, dtype, table)
        self.tile = tile
        self.is_complex = is_complex
        self.columns = tile[-1] // self.vectors.lanes
        self.vector_elements = 2 * self.vectors.lanes
        # From one tile to the next, and from one vector to the next along each axis.
        self.tile_step, *steps = tile_strides(dtype, tile)
        self.steps = [*steps[:-1], self.vector_elements]
        self.axes = [Axis(self.vectors, n, across=False) for n in tile[:-1]]
        self.axes.append(Axis(self.vectors, self.columns, across=True))
        numbers, parts = lane_numbers(self.vectors), 2 if is_complex else 1
        after = code.at(strides, "int64", len(tile) - 1)
        self.inputs, self.outputs = (
            Boxes(self.vectors, numbers, words, strides, len(tile), parts, self.memory)
            for words, strides in ((inputs, strides), (outputs, after))
        )

    def turn(self, turn: Value) -> None:
        """Do one turn: one complex tile, or two real ones."""
        count = 1 if self.is_complex else 2
        boxes = [self.code.index((turn, count), i) for i in range(count)]
        own = turn if self.forward != self.inverse else 0
        number = self.code.builder.sdiv(turn, self.sharing)
        self.spectrum = self.code.at(
            self.spectra, self.vectors.dtype, self.code.index((number, self.tile_step))
        )
        memory = self.code.at(
            self.memory, self.vectors.dtype, self.code.index((own, self.tile_step))
        )
        if len(self.tile) == 1:
            self._row(memory, boxes, [], forward=self.forward, inverse=self.inverse)
            return
        inner = range(1, len(self.tile) - 1)
        if self.forward:
            with self._indices([(0, n) for n in self.tile[:-1]]) as position:
                self._row_if_any(memory, boxes, position)
            for axis in reversed(inner):
                self._columns(memory, axis, forward=True, inverse=False)
        self._columns(memory, 0, forward=self.forward, inverse=self.inverse)
        if self.inverse:
            for axis in inner:
                self._columns(memory, axis, forward=False, inverse=True)
            with self._indices([self._wanted(boxes, a) for a in range(len(inner) + 1)]) as position:
                self._row(memory, boxes, position, forward=False, inverse=True)

    def _wanted(self, boxes: list[Value], axis: int) -> tuple[Value, Value]:
        # All outputs begin at the same place in their tiles; they may end at different ones.
        first, most = self.outputs.limits(boxes[0], axis)
        for box in boxes[1:]:
            _, last = self.outputs.limits(box, axis)
            most = self.code.builder.select(
                self.code.builder.icmp_signed(">", last, most), last, most
            )
        return first, most

    def _row_if_any(self, memory: Value, boxes: list[Value], position: list[Value]) -> None:
        # The transform of nothing is nothing: most rows of a kernel's tile.
        builder = self.code.builder
        reached = self.inputs.reaches(boxes[0], position)
        for box in boxes[1:]:
            reached = builder.or_(reached, self.inputs.reaches(box, position))
        with builder.if_else(reached) as (then, otherwise):
            with then:
                self._row(memory, boxes, position, forward=True, inverse=False)
            with otherwise:
                strip, _ = self._strips(memory, len(position), enumerate(position))
                zeros = self.code.constant(0.0, self.vectors.dtype, self.vectors.lanes)
                with self.code.loop(0, self.columns) as i:
                    strip.put(i, (zeros, zeros))

    def _row(
        self,
        memory: Value,
        boxes: list[Value],
        position: list[Value],
        *,
        forward: bool,
        inverse: bool,
    ) -> None:
        strip, spectrum = self._strips(memory, len(position), enumerate(position))
        source = self._source(boxes, position) if forward else None
        sink = self._sink(boxes, position) if inverse else None
        leaf = self._product(spectrum) if forward and inverse else _unchanged
        self.axes[-1].transform(
            strip, leaf, source=source, sink=sink, forward=forward, inverse=inverse
        )

    def _columns(self, memory: Value, axis: int, *, forward: bool, inverse: bool) -> None:
        others = [a for a in range(len(self.axes)) if a != axis]
        lengths = [*self.tile[:-1], self.columns]
        with self._indices([(0, lengths[a]) for a in others]) as position:
            strip, spectrum = self._strips(memory, axis, zip(others, position, strict=True))
            leaf = self._product(spectrum) if forward and inverse else _unchanged
            self.axes[axis].transform(strip, leaf, forward=forward, inverse=inverse)

    def _strips(
        self, memory: Value, axis: int, position: Iterable[tuple[int, Value]]
    ) -> tuple[Strip, Strip]:
        # Of the tile and of the spectrum, along an axis, at a position in the other axes.
        offset = self.code.index(*((i, self.steps[other]) for other, i in position))
        pointers = (
            self.code.at(start, self.vectors.dtype, offset) for start in (memory, self.spectrum)
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

    def _source(self, boxes: list[Value], position: list[Value]) -> Source:
        windows = [self.inputs.row(box, position) for box in boxes]
        self._prefetch(self.inputs, boxes, position, write=False)
        if self.is_complex:
            return lambda i: windows[0].load_complex(self.code.index((i, self.vector_elements)))
        return lambda i: tuple(
            window.load(self.code.index((i, self.vectors.lanes))) for window in windows
        )

    def _sink(self, boxes: list[Value], position: list[Value]) -> Sink:
        windows = [self.outputs.row(box, position) for box in boxes]
        self._prefetch(self.outputs, boxes, position, write=True)

        def put(i: int | Value, value: Complex) -> None:
            if self.is_complex:
                windows[0].store_complex(value, self.code.index((i, self.vector_elements)))
                return
            for window, part in zip(windows, value, strict=True):
                window.store(part, self.code.index((i, self.vectors.lanes)))

        return put

    def _prefetch(
        self, where: Boxes, boxes: list[Value], position: list[Value], *, write: bool
    ) -> None:
        # Rows lie on pages of their own, where no processor looks ahead by itself.
        if not position:
            return
        ahead = [*position[:-1], self.code.index(position[-1], _ROWS_AHEAD)]
        step = LINE_BYTES // np.dtype(self.vectors.dtype).itemsize
        for box in boxes:
            row = where.row(box, ahead)
            for offset in range(0, self.tile[-1] * (2 if self.is_complex else 1), step):
                row.prefetch(offset, write=write)

    @contextmanager
    def _indices(self, ranges: Sequence[tuple[int | Value, int | Value]]) -> Iterator[list[Value]]:
        with ExitStack() as loops:
            yield [loops.enter_context(self.code.loop(*limits)) for limits in ranges]


def _unchanged(base: int | Value, values: list[Complex]) -> list[Complex]:
    return values
