"""Rows on their way to a kernel: zeros put around them, converted, every n-th number picked.

Kernels want their inputs in rows of one dtype with what lies outside as zeros. Instead of a copy
of the picture, a few rows at a time are brought into a scratch in the cache, just before they are
read. So borders, pictures of bytes and interleaved colours cost little, and a picture needs
one call instead of one for each of its edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.conv.codegen.emit import Emitter, Integer, Kind, Value

# What a kernel takes so that `Stage` can read its input; distances are counted in numbers.
PARAMETERS: tuple[Kind, ...] = ("pointer",) * 2 + ("integer",) * 11
"""Addresses of the input and of the scratch; then

- how far it is from row to row of the input, how many rows it has, and which of them is the first
  one that the first output needs (it may be negative);
- the first column of the scratch that has an input, the first that has none again, and how far
  that first input lies after the row's beginning;
- number of planes, and how far it is from one to the next in the input;
- rows of the output, how many are done in one turn, and how far it is from row to row of the
  scratch, which is also how many columns are filled.
"""

_MOST_VECTORS = 4


@dataclass(frozen=True)
class Reading:
    """What reading rows is specialised for.

    Attributes
    ----------
    storage : str
        Dtype of the numbers in memory.
    dtype : str
        Of those in the scratch.
    apart : int
        How many numbers after each other in memory belong to one column: colours.
    which : int
        Which of those is read.
    lanes, vectors : int
        How many columns are copied at a time: ``lanes * vectors``, no more than have an input.
    """

    storage: str
    dtype: str
    apart: int
    which: int
    lanes: int
    vectors: int

    @classmethod
    def of(
        cls, storage: str, dtype: str, apart: int, which: int, columns: int, lanes: int
    ) -> Reading:
        """Return the widest reading of rows of which ``columns`` have an input.

        Examples
        --------
        >>> Reading.of("uint8", "float32", 3, 0, 100, 16).vectors
        4
        """
        while lanes > columns:
            lanes //= 2
        return cls(storage, dtype, apart, which, lanes, min(_MOST_VECTORS, columns // lanes))


class Stage:
    """Writes the code that brings rows into the scratch.

    Parameters
    ----------
    code : Emitter
        Its arguments begin with `PARAMETERS`.
    reading : Reading
        See there.
    height : int or Value
        Rows of the convolution kernel: a turn needs one less beyond its own.
    """

    def __init__(self, code: Emitter, reading: Reading, height: Integer) -> None:
        self.code, self.reading = code, reading
        self.x, self.scratch, *numbers = code.arguments[: len(PARAMETERS)]
        self.x_row, self.x_rows, self.x_first_row, self.begin, self.end, self.x_begin = numbers[:6]
        self.planes, self.x_plane, self.rows, self.turn, self.scratch_row = numbers[6:]
        self.filled = code.index(self.turn, height, -1)

    @contextmanager
    def turns(self) -> Iterator[tuple[Value, Value]]:
        """Write the loop over planes and turns; the body finds a turn's inputs in the scratch.

        Yields
        ------
        plane, row : Value
            Number of the plane, and the turn's first output row.
        """
        code = self.code
        self._clear_sides()
        with code.loop(0, self.planes) as plane, code.loop(0, self.rows, self.turn) as unclipped:
            row = code.minimum(unclipped, code.builder.sub(self.rows, self.turn))
            with code.loop(0, self.filled) as i:
                self._row(plane, code.index(self.x_first_row, row, i), i)
            yield plane, row

    def _clear_sides(self) -> None:
        code, dtype = self.code, self.reading.dtype
        zero = code.constant(0, dtype, 1)
        with code.loop(0, self.filled) as i:
            row = code.at(self.scratch, dtype, code.index((i, self.scratch_row)))
            for first, last in ((0, self.begin), (self.end, self.scratch_row)):
                with code.loop(first, last) as column:
                    code.store(zero, row, column)

    def _row(self, plane: Value, x_row: Value, i: Value) -> None:
        # One row of the scratch: of the input, or zeros where there is none.
        code, reading = self.code, self.reading
        span = reading.lanes * reading.vectors
        is_there = code.builder.and_(
            code.builder.icmp_signed(">=", x_row, code.integer(0)),
            code.builder.icmp_signed("<", x_row, self.x_rows),
        )
        copied = code.builder.select(is_there, self.end, self.begin)
        target = code.at(self.scratch, reading.dtype, code.index((i, self.scratch_row)))
        offset = code.index((plane, self.x_plane), (x_row, self.x_row), self.x_begin)
        source = code.at(self.x, reading.storage, offset)
        last = code.index(self.end, -span)
        with code.loop(self.begin, copied, span) as unclipped:
            column = code.minimum(unclipped, last)
            within = code.builder.sub(column, self.begin)
            for v in range(reading.vectors):
                vector = self._load(source, code.index(within, v * reading.lanes))
                code.store(vector, target, code.index(column, v * reading.lanes))
        zero = code.constant(0, reading.dtype, reading.lanes)
        with code.loop(copied, self.end, span) as unclipped:
            column = code.minimum(unclipped, last)
            for v in range(reading.vectors):
                code.store(zero, target, code.index(column, v * reading.lanes))

    def _load(self, source: Value, column: Value) -> Value:
        code, reading = self.code, self.reading
        at = code.index((column, reading.apart))
        if reading.apart == 1:
            return code.load(source, reading.storage, reading.lanes, at, as_dtype=reading.dtype)
        numbers = code.load(source, reading.storage, reading.lanes * reading.apart, at)
        picked = [lane * reading.apart + reading.which for lane in range(reading.lanes)]
        return code.convert(code.shuffle(numbers, numbers, picked), reading.storage, reading.dtype)
