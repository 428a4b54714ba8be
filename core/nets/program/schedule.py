"""What a program computes in which order, and from when to when each of its arrays exists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from core.nets.graph import INPUT
from core.nets.layer import Shape
from core.nets.program.memory import Span
from core.nets.program.unit import Unit


class Slot(NamedTuple):
    """An array of a group: the output of a layer, or a gradient with respect to it.

    Of gradients there are several where several layers read an output; they are numbered.
    """

    kind: Literal["value", "gradient"]
    layer: int
    number: int = 0


class Forward(NamedTuple):
    """A unit, and where its inputs and its output are."""

    unit: Unit
    xs: tuple[Slot, ...]
    y: Slot


class Backward(NamedTuple):
    """A unit, where its arrays are, and what has to be added before.

    Attributes
    ----------
    sums : tuple of (Slot, Slot, Slot)
        Each the sum of two others, in this order.
    dxs : tuple of Slot or None
        None where a gradient is not wanted, or is there already.
    """

    unit: Unit
    xs: tuple[Slot, ...]
    y: Slot
    sums: tuple[tuple[Slot, Slot, Slot], ...]
    dy: Slot
    dxs: tuple[Slot | None, ...]


@dataclass
class Schedule:
    """The order of a program.

    Parameters
    ----------
    units : sequence of Unit
        In the order of the net.
    shapes : dict of int to tuple of int
        Of one image, of all outputs that are read or computed.
    enters, leaves : sequence of int
        What comes from elsewhere, and what is read elsewhere.
    wanted : sequence of int
        Those of ``enters`` whose gradients are wanted.

    Attributes
    ----------
    forward, backward : list
        In order.
    arriving : dict of int to Slot
        Where the gradient of what leaves is to be put.
    below : dict of int to Slot
        Where the gradients of what enters are, after ``last_sums``.
    last_sums : list
        Of those.
    spans : dict of Slot to Span
        In numbers of one image; times are those of the units, there and back.
    """

    units: Sequence[Unit]
    shapes: dict[int, Shape]
    enters: Sequence[int]
    leaves: Sequence[int]
    wanted: Sequence[int]
    forward: list[Forward] = field(default_factory=list)
    backward: list[Backward] = field(default_factory=list)
    arriving: dict[int, Slot] = field(default_factory=dict)
    below: dict[int, Slot] = field(default_factory=dict)
    last_sums: list[tuple[Slot, Slot, Slot]] = field(default_factory=list)
    spans: dict[Slot, Span] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._seen = {unit.index: unit for unit in self.units if unit.view}
        self._there()
        self._back()

    def value(self, index: int) -> Slot:
        """Return where an output is; a view is where its input is."""
        while index in self._seen:
            (index,) = self._seen[index].sources
        return Slot("value", index)

    def _there(self) -> None:
        for index in self.enters:
            self._touch(Slot("value", index), 0)
        for time, unit in enumerate(self.units):
            xs, y = tuple(map(self.value, unit.sources)), self.value(unit.index)
            for slot in (*xs, y):
                self._touch(slot, time)
            if not unit.view:
                self.forward.append(Forward(unit, xs, y))
        for index in self.leaves:
            self._touch(self.value(index), len(self.units))

    def _back(self) -> None:
        middle = len(self.units)
        found: dict[int, list[Slot]] = {}
        learning = {unit.index for unit in self.units if unit.learns} | set(self.wanted)
        for index in self.leaves:
            if index in learning:
                self.arriving[index] = self._new(index, 0, middle)
                found[index] = [self.arriving[index]]
        for number, unit in enumerate(reversed(self.units), 1):
            if not unit.learns:
                continue
            time = middle + number
            dy, sums = self._total(unit.index, found.pop(unit.index), time)
            xs, y = tuple(map(self.value, unit.sources)), self.value(unit.index)
            read = [dy, *(xs if "x" in unit.reads else ()), *([y] if "y" in unit.reads else ())]
            for slot in read:
                self._touch(slot, time)
            dxs = self._gradients(unit, dy, found, learning, time)
            self.backward.append(Backward(unit, xs, y, tuple(sums), dy, dxs))
        end = 2 * middle + 1
        for index in self.wanted:
            self.below[index], sums = self._total(index, found.pop(index), end)
            self._touch(self.below[index], end)
            self.last_sums += sums

    def _gradients(
        self,
        unit: Unit,
        dy: Slot,
        found: dict[int, list[Slot]],
        learning: set[int],
        time: int,
    ) -> tuple[Slot | None, ...]:
        dxs: list[Slot | None] = []
        shared = None
        for source in unit.sources:
            if source == INPUT or source not in learning:
                dxs.append(None)
                continue
            known = found.setdefault(source, [])
            if unit.passes or (unit.shares and shared is not None):
                known.append(dy if shared is None else shared)
                dxs.append(None)
                continue
            # Numbers are those of the readers, so that no two gradients have the same.
            shared = self._new(source, unit.index + 1, time)
            known.append(shared)
            dxs.append(shared)
        return tuple(dxs)

    def _total(
        self, index: int, parts: list[Slot], time: int
    ) -> tuple[Slot, list[tuple[Slot, Slot, Slot]]]:
        total, *rest = parts
        sums = []
        for number, part in enumerate(rest, 1):
            into = self._new(index, -number, time)
            for slot in (total, part):
                self._touch(slot, time)
            sums.append((total, part, into))
            total = into
        return total, sums

    def _new(self, index: int, number: int, time: int) -> Slot:
        slot = Slot("gradient", index, number)
        self._touch(slot, time)
        return slot

    def _touch(self, slot: Slot, time: int) -> None:
        size = math.prod(self.shapes[slot.layer])
        span = self.spans.setdefault(slot, Span(size, time, time))
        span.last = max(span.last, time)
