"""Into lanes and back: what lies in rows far apart becomes vectors of one number of each.

The kernels of many channels compute on vectors whose lanes are images (or patches of one image,
or channels). In memory each lane has a place of its own, with neighbours along its last axis in a
run. ``gather`` turns one run of every lane into as many vectors as the run is long; ``scatter``
turns vectors into runs. Both transpose squares of lanes by lanes in registers::

    lane 0:  a0 a1 a2 a3            a0 b0 c0 d0
    lane 1:  b0 b1 b2 b3   gather   a1 b1 c1 d1
    lane 2:  c0 c1 c2 c3  ------->  a2 b2 c2 d2
    lane 3:  d0 d1 d2 d3            a3 b3 c3 d3

Lanes that nobody needs share the address of lane 0, which is written last.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Literal

import numpy as np
from llvmlite import ir

from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 3 + ("integer",) * 3
# Processors shuffle two registers within parts of this size, or else whole parts.
_PART_BYTES = 16


@lru_cache(maxsize=256)
def kernel(
    direction: Literal["gather", "scatter"], dtype: str, tail: int, element: str | None = None
) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    write = partial(source, direction, dtype, tail, host(), element)
    return load(write, direction, PARAMETERS)


def source(
    direction: Literal["gather", "scatter"],
    dtype: str,
    tail: int,
    target: Target,
    element: str | None = None,
) -> str:
    """Return the IR of a kernel that moves runs of ``squares * lanes + tail`` numbers.

    Its arguments:

    - a table of addresses, one per lane;
    - a table of runs: for each, how many elements it begins after its lane's address, and how
      many its first vector lies after the first of all;
    - the address of the vectors;
    - the number of runs, and how many whole squares each has;
    - how many elements to add to every lane's address.

    Parameters
    ----------
    direction : {"gather", "scatter"}
        From runs to vectors, or from vectors to runs.
    dtype : str
        Real dtype of the vectors.
    tail : int
        How many elements of a run follow its last whole square.
    target : Target
        The processor.
    element : str, optional
        Real dtype of the runs that are gathered, where it is another.

    Examples
    --------
    >>> "define void" in source("gather", "float32", 3, host())
    True
    """
    code = Emitter(target, direction, PARAMETERS)
    places, runs, vectors, count, squares, skipped = code.arguments
    lanes = target.lanes(np.dtype(dtype).itemsize)
    square = _Square(code, places, vectors, dtype, element or dtype, lanes)
    move = square.gather if direction == "gather" else square.scatter
    with code.loop(0, count) as run:
        begin = code.index(integer_at(code, runs, code.index((run, 2))), skipped)
        first = integer_at(code, runs, code.index((run, 2), 1))
        with code.loop(0, squares) as s:
            move(code.index(begin, (s, lanes)), code.index(first, (s, lanes * lanes)), lanes)
        if tail:
            last = code.index(begin, (squares, lanes)), code.index(first, (squares, lanes * lanes))
            move(*last, tail)
    return code.finish()


def integer_at(code: Emitter, table: Value, index: int | Value) -> Value:
    """Load one entry of a table of 64-bit integers."""
    return code.builder.load(code.at(table, "int64", index), typ=ir.IntType(64), align=8)


def transposed(code: Emitter, rows: list[Value], itemsize: int) -> list[Value]:
    """Transpose a square of vectors: the result's vector ``i`` holds lane ``i`` of each row."""
    lanes = len(rows)
    part = max(1, min(lanes, _PART_BYTES // itemsize))
    result = list(rows)
    # Which column each lane of each register belongs to: the steps leave them out of order.
    columns = [list(range(lanes)) for _ in rows]
    distance = 1
    while distance < lanes:
        low, high = _halves(lanes, part, distance)
        for first in range(lanes):
            if first & distance:
                continue
            second = first | distance
            a, b = result[first], result[second]
            both = columns[first] + columns[second]
            result[first], result[second] = code.shuffle(a, b, low), code.shuffle(a, b, high)
            columns[first], columns[second] = [both[i] for i in low], [both[i] for i in high]
        distance *= 2
    order = [register[0] for register in columns]
    return [result[order.index(column)] for column in range(lanes)]


def _halves(lanes: int, part: int, distance: int) -> tuple[list[int], list[int]]:
    # Two shuffles that between them keep all lanes of two registers. Up to the size of a part:
    # groups of ``distance`` lanes, alternately from either, of each part's lower and upper half.
    # From there on: the even parts of both, and the odd ones.
    if distance < part:
        low: list[int] = []
        high: list[int] = []
        for start in range(0, lanes, part):
            for group in range(0, part // 2, distance):
                for target, half in ((low, 0), (high, part // 2)):
                    at = start + half + group
                    target += range(at, at + distance)
                    target += range(lanes + at, lanes + at + distance)
        return low, high
    even = [i for i in range(2 * lanes) if i // part % 2 == 0]
    return even, [i + part for i in even]


class _Square:
    """Moves one square of a run, or the part of it that is there."""

    def __init__(
        self, code: Emitter, places: Value, vectors: Value, dtype: str, element: str, lanes: int
    ) -> None:
        self.code, self.vectors, self.places = code, vectors, places
        self.dtype, self.element, self.lanes = dtype, element, lanes
        self.itemsize = np.dtype(dtype).itemsize

    def gather(self, begin: Value, first: Value, length: int) -> None:
        code = self.code
        rows = [self._load(self._address(lane, begin), length) for lane in range(self.lanes)]
        for i, vector in enumerate(transposed(code, rows, self.itemsize)[:length]):
            code.store(vector, self.vectors, code.index(first, i * self.lanes))

    def scatter(self, begin: Value, first: Value, length: int) -> None:
        code, lanes = self.code, self.lanes
        vectors = [
            code.load(self.vectors, self.dtype, lanes, code.index(first, i * lanes))
            for i in range(length)
        ]
        vectors += [ir.Constant(vectors[0].type, ir.Undefined)] * (lanes - length)
        rows = transposed(code, vectors, self.itemsize)
        for lane in reversed(range(lanes)):
            self._store(rows[lane], self._address(lane, begin), length)

    def _address(self, lane: int, begin: Value) -> Value:
        base = integer_at(self.code, self.places, lane)
        pointer = self.code.builder.inttoptr(base, ir.PointerType())
        return self.code.at(pointer, self.element, begin)

    def _load(self, address: Value, length: int) -> Value:
        # The elements that are there, by powers of two: no load passes the end of a run.
        code, parts, done = self.code, [], 0
        while done < length:
            size = 1 << ((length - done).bit_length() - 1)
            parts.append(code.load(address, self.element, size, done, as_dtype=self.dtype))
            done += size
        whole = parts[0]
        for part in parts[1:]:
            whole = self._joined(whole, part)
        return self._widened(whole, self.lanes)

    def _store(self, vector: Value, address: Value, length: int) -> None:
        code, done = self.code, 0
        while done < length:
            size = 1 << ((length - done).bit_length() - 1)
            part = code.shuffle(vector, vector, range(done, done + size))
            code.store(part, address, done)
            done += size

    def _joined(self, a: Value, b: Value) -> Value:
        n, m = a.type.count, b.type.count
        return self.code.shuffle(a, self._widened(b, n), range(n + m))

    def _widened(self, vector: Value, lanes: int) -> Value:
        # The lanes that are added hold anything; they are never stored.
        n = vector.type.count
        return (
            vector
            if n == lanes
            else self.code.shuffle(vector, vector, [*range(n), *[0] * (lanes - n)])
        )
