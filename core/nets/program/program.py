"""A run of layers, planned for a batch: its memory, and its tables of calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from core.arrays import Array
from core.conv.blocks import cores
from core.conv.codegen.batch_last_images import kernel as image_kernel
from core.conv.codegen.batch_last_pointwise import kernel as pointwise_kernel
from core.conv.codegen.batch_last_weights import is_finite
from core.conv.codegen.calls import Call
from core.conv.codegen.memory import LINE_BYTES, address, empty
from core.nets.graph import INPUT
from core.nets.layer import Pieces, Shape, Weights
from core.nets.program.memory import places
from core.nets.program.programs import NotFinite
from core.nets.program.schedule import Backward, Forward, Schedule, Slot
from core.nets.program.tables import Table, Work, tables
from core.nets.program.unit import Draw, Place, Raw
from core.nets.program.units import units_of
from core.nets.segments import Segment


class Program:
    """The layers of a segment, there and back, for one batch at a time.

    Parameters
    ----------
    segment : Segment
        Layers that all have programs.
    groups : sequence of slice
        Of the images; each fills the lanes.
    dtype : str
        Of everything that is computed.

    Notes
    -----
    Every group has memory of its own, in which arrays that do not exist at the same time share
    their place; every core has scratch memory. What comes out lies in this memory until the next
    batch.
    """

    def __init__(self, segment: Segment, groups: Sequence[slice], dtype: str) -> None:
        self._segment, self._groups, self._dtype = segment, groups, dtype
        self._images = [part.stop - part.start for part in groups]
        nodes = segment.nodes
        self._units = units_of(nodes, segment.leaves, self._images, dtype)
        self._shapes: dict[int, Shape] = {node.index: node.shape for node in nodes}
        for node in nodes:
            self._shapes |= dict(zip(node.sources, node.incoming, strict=True))
        orders = segment.enters, segment.leaves, segment.wanted
        self._schedule = Schedule(self._units, self._shapes, *orders)
        self._reserve()
        self._write()

    def forward(
        self, values: Mapping[int, Pieces], weights: Sequence[Weights], random: Draw
    ) -> dict[int, Pieces]:
        """Compute what leaves the segment.

        Parameters
        ----------
        values : mapping of int to list of array
            What enters, in groups; the net's input ``(images, *shape)``, in one piece.
        weights : sequence of mapping
            Parameters of each node of the net.
        random : callable
            ``(node, group) -> generator``.

        Raises
        ------
        NotFinite
            See there; nothing that was computed is of use then.
        """
        for (index, name), array in self._weights.items():
            np.copyto(array, weights[index][name])
        for index, pieces in values.items():
            if index == INPUT:
                x = self._input = np.ascontiguousarray(pieces[0], self._dtype)
                for table, rows, offsets in self._inputs:
                    table[rows, 1] = offsets + address(x)
            else:
                self._put(self._schedule.value(index), pieces)
        for unit in self._units:
            if unit.draw is not None:
                unit.draw(random)
        self._flags.fill(0)
        self._there.run()
        self._check()
        found = {index: self._schedule.value(index) for index in self._segment.leaves}
        return {index: self._pieces(slot, index) for index, slot in found.items()}

    def updates(self, state: Sequence[Weights]) -> dict[str, Array]:
        """Return the new state of the layers, after `forward`."""
        return {
            f"{node.name}.{name}": array
            for unit in self._units
            if unit.updates is not None
            for node in unit.nodes[:1]
            for name, array in unit.updates(state[node.index]).items()
        }

    def backward(
        self, arriving: Mapping[int, Pieces]
    ) -> tuple[dict[int, Pieces], dict[str, Array]]:
        """Return the gradients of what entered, and of the parameters.

        Parameters
        ----------
        arriving : mapping of int to list of array
            Gradients of what left, in groups.

        Raises
        ------
        NotFinite
            As `forward`.
        """
        for index, pieces in arriving.items():
            self._put(self._schedule.arriving[index], pieces)
        self._back.run()
        self._check()
        # Of the groups in their order, so that the sum does not depend on who was faster.
        total = self._gradients[0].copy()
        for share in self._gradients[1:]:
            total += share
        if not is_finite(total):
            raise NotFinite
        found = {name: raw.finish(total[at].reshape(raw.shape)) for name, at, raw in self._raws}
        below = self._schedule.below.items()
        return {index: self._pieces(slot, index) for index, slot in below}, found

    def _check(self) -> None:
        if self._flags.any():
            raise NotFinite

    def _reserve(self) -> None:
        itemsize, largest = np.dtype(self._dtype).itemsize, max(self._images)
        line = LINE_BYTES // itemsize
        for span in self._schedule.spans.values():
            span.size *= largest * itemsize
        self._places, size = places(self._schedule.spans)
        self._memory = empty((len(self._groups), -(-size // LINE_BYTES) * line), self._dtype)
        scratch = max(unit.scratch for unit in self._units)
        self._chains = min(cores(), len(self._groups))
        self._scratch = empty((self._chains, -(-scratch // LINE_BYTES) * line), self._dtype)
        self._flags = np.zeros((len(self._units), len(self._groups), line), self._dtype)
        self._raws: list[tuple[str, slice, Raw]] = []
        self._weights: dict[tuple[int, str], Array] = {}
        end = 0
        for unit in self._units:
            node = unit.nodes[0]
            for name, parameter in node.parameters.items():
                self._weights[node.index, name] = empty(parameter.shape, self._dtype)
                count = math.prod(unit.raw[name].shape)
                at = slice(end, end + count)
                self._raws.append((f"{node.name}.{name}", at, unit.raw[name]))
                # Kernels write whole vectors.
                end += -(-count // line) * line
        self._gradients = empty((len(self._groups), end), self._dtype)
        self._gradients.fill(0)

    def _write(self) -> None:
        schedule, count = self._schedule, len(self._groups)
        enter = [Work(self._entering)] if INPUT in self._segment.enters else []
        there = [self._forward_work(step) for step in schedule.forward]
        self._there = tables([*enter, *there], count, self._chains)
        back: list[Work] = []
        for step in schedule.backward:
            back += self._sum_works(step.sums)
            if not step.unit.passes:
                back.append(self._backward_work(step))
        back += self._sum_works(schedule.last_sums)
        self._back = tables(back, count, self._chains)
        # The rows of tables where the input's address stands, and how far groups are from it.
        self._inputs: list[tuple[Table, Table, Table]] = []
        for table in self._there.chains if enter else []:
            rows = np.flatnonzero(table[:, 0] == image_kernel("enter", self._dtype).address)
            self._inputs.append((table, rows, table[rows, 1]))

    def _entering(self, groups: Sequence[int], core: int) -> list[Call]:
        (group,) = groups
        numbers = math.prod(self._shapes[INPUT])
        offset = self._groups[group].start * numbers * np.dtype(self._dtype).itemsize
        to = self._at(group, self._schedule.value(INPUT))
        return [(image_kernel("enter", self._dtype), (offset, to, numbers, self._images[group]))]

    def _forward_work(self, step: Forward) -> Work:
        def calls(groups: Sequence[int], core: int) -> list[Call]:
            return step.unit.forward([self._place(step, group, core) for group in groups])

        return Work(calls, step.unit.whole)

    def _backward_work(self, step: Backward) -> Work:
        def calls(groups: Sequence[int], core: int) -> list[Call]:
            return step.unit.backward([self._place(step, group, core) for group in groups])

        return Work(calls, step.unit.whole)

    def _sum_works(self, sums: Sequence[tuple[Slot, Slot, Slot]]) -> list[Work]:
        add = pointwise_kernel("add", self._dtype)

        def calls(groups: Sequence[int], core: int) -> list[Call]:
            (group,) = groups
            numbers = {slot: math.prod(self._shapes[slot.layer]) for _, _, slot in sums}
            return [
                (
                    add,
                    (
                        *(self._at(group, slot) for slot in three),
                        numbers[three[2]] * self._images[group],
                    ),
                )
                for three in sums
            ]

        return [Work(calls)] if sums else []

    def _place(self, step: Forward | Backward, group: int, core: int) -> Place:
        node = step.unit.nodes[0]
        weights = {
            name: address(array)
            for (index, name), array in self._weights.items()
            if index == node.index
        }
        gradients = {
            name.removeprefix(f"{node.name}."): address(self._gradients[group, at])
            for name, at, _ in self._raws
            if name.startswith(f"{node.name}.")
        }
        dy, dxs = (step.dy, step.dxs) if isinstance(step, Backward) else (None, ())
        return Place(
            group=group,
            images=self._images[group],
            xs=tuple(self._at(group, slot) for slot in step.xs),
            y=self._at(group, step.y),
            dy=0 if dy is None else self._at(group, dy),
            dxs=tuple(0 if slot is None else self._at(group, slot) for slot in dxs),
            weights=weights,
            gradients=gradients,
            flag=address(self._flags[self._units.index(step.unit), group]),
            scratch=address(self._scratch[core]) if self._scratch.size else 0,
        )

    def _at(self, group: int, slot: Slot) -> int:
        return address(self._memory[group]) + self._places[slot]

    def _array(self, group: int, slot: Slot, index: int) -> Array:
        images, first = self._images[group], self._places[slot] // self._memory.itemsize
        shape = (*self._shapes[index], images)
        return self._memory[group, first : first + math.prod(shape)].reshape(shape)

    def _pieces(self, slot: Slot, index: int) -> Pieces:
        return [self._array(group, slot, index) for group in range(len(self._groups))]

    def _put(self, slot: Slot, pieces: Pieces) -> None:
        for group, piece in enumerate(pieces):
            np.copyto(self._array(group, slot, slot.layer), piece)
