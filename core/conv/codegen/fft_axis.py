"""Transforms along one axis of a tile, through memory: stages, and leaves within registers.

A stage splits a transform of n vectors into ``radix`` transforms of ``n / radix`` (decimation in
frequency; W. Gentleman and G. Sande, 1966); leaves are what fits the registers. The inverse goes
back step by step, so nothing is ever reordered, and each part of the forward transform is
followed, while it is in the cache, by whatever is to happen to its spectrum.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.conv.codegen import fft_lanes
from core.conv.codegen.emit import Value
from core.conv.codegen.fft_complex import Complex, Vectors

Source = Callable[["int | Value"], Complex]
Sink = Callable[["int | Value", Complex], None]
Leaf = Callable[["int | Value", list[Complex]], list[Complex]]
"""Given the first index of a part of the spectrum and its values; returns what replaces them."""


@dataclass(frozen=True)
class Strip:
    """Complex vectors at equal distances in memory: a row or a column of a tile.

    Parameters
    ----------
    vectors : Vectors
        Writes the kernel.
    pointer : Value
        The first vector.
    stride : int
        Elements from one vector to the next.
    """

    vectors: Vectors
    pointer: Value
    stride: int

    def get(self, index: int | Value) -> Complex:
        """Load vector ``index``."""
        return self.vectors.load(self.pointer, self.vectors.code.index((index, self.stride)))

    def put(self, index: int | Value, value: Complex) -> None:
        """Store vector ``index``."""
        self.vectors.store(value, self.pointer, self.vectors.code.index((index, self.stride)))


class Axis:
    """The transform along an axis of ``count`` vectors.

    Parameters
    ----------
    vectors : Vectors
        Writes the kernel.
    count : int
        Vectors along the axis: a power of two, or three times one. Where the axis runs through
        the lanes, four vectors or more must be left when the three is divided out.
    across : bool
        Whether the axis runs through the lanes too (a row: ``count * lanes`` points), or each
        lane is a column of its own.
    """

    def __init__(self, vectors: Vectors, count: int, *, across: bool) -> None:
        self.vectors = vectors
        self.count = count
        self.across = across
        self._tables: dict[int, int] = {}

    @property
    def points(self) -> int:
        """Length of the transform."""
        return self.count * (self.vectors.lanes if self.across else 1)

    def transform(
        self,
        strip: Strip,
        leaf: Leaf,
        *,
        source: Source | None = None,
        sink: Sink | None = None,
        forward: bool = True,
        inverse: bool = True,
    ) -> None:
        """Transform ``strip`` in place: forward, then ``leaf``, then back.

        Parameters
        ----------
        strip : Strip
            ``count`` vectors.
        leaf : callable
            What to do to the spectrum, leaf by leaf.
        source, sink : callable, optional
            Where the first step loads from and the last stores to, instead of ``strip``.
        forward, inverse : bool
            Which halves to do.
        """
        self._level(strip, leaf, self.count, 0, source, sink, forward, inverse)

    def _level(
        self,
        strip: Strip,
        leaf: Leaf,
        count: int,
        base: int | Value,
        source: Source | None,
        sink: Sink | None,
        forward: bool,
        inverse: bool,
    ) -> None:
        code, get, put = self.vectors.code, source or strip.get, sink or strip.put
        if count <= self._most:
            at = [code.index(base, i) for i in range(count)]
            values = [get(i) for i in at]
            if forward:
                values = self._leaf_forward(values)
            values = leaf(base, values)
            if inverse:
                values = self._leaf_inverse(values)
            for i, value in zip(at, values, strict=True):
                put(i, value)
            return
        radix = self._radix(count)
        rest = count // radix
        table = self._table(count, radix)
        if forward:
            with code.loop(0, rest) as j:
                at = [code.index(base, j, q * rest) for q in range(radix)]
                values = self.vectors.butterfly([get(i) for i in at], -1)
                for i, value in zip(at, self._twiddled(values, table, j), strict=True):
                    strip.put(i, value)
        with code.loop(0, radix) as part:
            self._level(
                strip,
                leaf,
                rest,
                code.index(base, (part, rest)),
                None if forward else source,
                None if inverse else sink,
                forward,
                inverse,
            )
        if inverse:
            with code.loop(0, rest) as j:
                at = [code.index(base, j, q * rest) for q in range(radix)]
                values = self._twiddled([strip.get(i) for i in at], table, j, conjugate=True)
                for i, value in zip(at, self.vectors.butterfly(values, 1), strict=True):
                    put(i, value)

    def _leaf_forward(self, values: Sequence[Complex]) -> list[Complex]:
        result = self.vectors.butterfly(values, -1)
        if not self.across:
            return result
        result = self._twiddled(result, self._table(len(values), len(values)), 0)
        return [
            value
            for first in range(0, len(result), 4)
            for value in fft_lanes.forward(self.vectors, result[first : first + 4])
        ]

    def _leaf_inverse(self, values: Sequence[Complex]) -> list[Complex]:
        if not self.across:
            return self.vectors.butterfly(values, 1)
        result = [
            value
            for first in range(0, len(values), 4)
            for value in fft_lanes.inverse(self.vectors, values[first : first + 4])
        ]
        table = self._table(len(values), len(values))
        return self.vectors.butterfly(self._twiddled(result, table, 0, conjugate=True), 1)

    @property
    def _most(self) -> int:
        # A complex vector takes two registers, and as many again hold sums and factors.
        return max(4, self.vectors.code.target.registers // 4)

    def _radix(self, count: int) -> int:
        # As few stages as the registers allow, as equal as they can be; across lanes, the last
        # four vectors belong to a leaf.
        if count % 3 == 0:
            return 6 if count % 24 == 0 and self._most >= 8 else 3
        bits, most = count.bit_length() - 1, self._most.bit_length() - 1
        levels = -(-bits // most)
        return min(1 << -(-bits // levels), count // 4 if self.across else count)

    def _table(self, count: int, radix: int) -> int:
        if count not in self._tables:
            points = count * (self.vectors.lanes if self.across else 1)
            steps = range(count // radix)
            lanes = range(self.vectors.lanes if self.across else 1)
            numbers: list[float] = []
            for j in steps:
                for q in range(1, radix):
                    roots = [
                        cmath.rect(1.0, -2 * math.pi * (j * len(lanes) + lane) * q / points)
                        for lane in lanes
                    ]
                    numbers += [root.real for root in roots] + [root.imag for root in roots]
            self._tables[count] = self.vectors.tabulate(numbers)
        return self._tables[count]

    def _twiddled(
        self, values: Sequence[Complex], table: int, j: int | Value, *, conjugate: bool = False
    ) -> list[Complex]:
        code, width = self.vectors.code, 2 * (self.vectors.lanes if self.across else 1)
        result = [values[0]]
        for q in range(1, len(values)):
            index = code.index((j, (len(values) - 1) * width), table + (q - 1) * width)
            root = self.vectors.tabulated_complex(index, splat=not self.across)
            result.append(self.vectors.times(values[q], root, conjugate=conjugate))
        return result
