"""Which operations have kernels, how their values lie, and in which part of the arena."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.nets.graph import INPUT
from core.nets.inference.family import Family
from core.nets.inference.fusion import Operation
from core.nets.inference.layout import Layout
from core.nets.layer import Shape


@dataclass(frozen=True)
class Plan:
    """How operations are computed.

    Attributes
    ----------
    families : dict
        The kernels of each operation that has some, by the number of its result.
    layouts : dict
        How values lie that kernels read or make, by their number.
    slots : dict
        In which part of the arena each of them lies.
    """

    families: dict[int, Family]
    layouts: dict[int, Layout]
    slots: dict[int, int]


def plan(
    steps: Sequence[Operation],
    output: int,
    shape: Shape,
    families: Mapping[str, Family],
    lanes: int,
) -> Plan:
    """Return how to compute operations on an input of ``shape``.

    Parameters
    ----------
    steps : sequence of Operation
        In order.
    output : int
        The number of the value that is wanted.
    shape : tuple of int
        Of the net's input.
    families : mapping
        The kernels that there are, by the name of the layer.
    lanes : int
        Numbers of a vector.
    """
    chosen, shapes = _choose(steps, shape, families)
    layouts = _layouts(steps, chosen, shapes, lanes)
    return Plan(chosen, layouts, _slots(steps, output, chosen, layouts))


def _choose(
    steps: Sequence[Operation], shape: Shape, families: Mapping[str, Family]
) -> tuple[dict[int, Family], dict[int, Shape]]:
    chosen: dict[int, Family] = {}
    shapes = {INPUT: shape}
    for step in steps:
        incoming = [shapes[source] for source in step.sources]
        family = families.get(step.node.layer.name)
        shapes[step.result] = step.shape
        if family is not None and family.suits(step, incoming):
            chosen[step.result] = family
            shapes[step.result] = family.shape(step, incoming)
    return chosen, shapes


def _layouts(
    steps: Sequence[Operation],
    chosen: Mapping[int, Family],
    shapes: Mapping[int, Shape],
    lanes: int,
) -> dict[int, Layout]:
    borders: dict[int, Shape] = {}
    rooms: dict[int, int] = {}
    for step in steps:
        family = chosen.get(step.result)
        if family is None:
            continue
        incoming = [shapes[source] for source in step.sources]
        rooms[step.result] = _whole(family.room(step, incoming, lanes), lanes)
        own = (0,) * (len(shapes[step.result]) - 1)
        borders.setdefault(step.result, own)
        for source in step.sources:
            border = family.border(step, incoming)
            wider = zip(borders.get(source, border), border, strict=True)
            borders[source] = tuple(max(pair) for pair in wider)
            channels = shapes[source][0]
            least = _whole(channels, lanes) if family.whole(step, incoming) else channels
            rooms[source] = max(rooms.get(source, 0), least)
    return {
        value: Layout(shapes[value][0], shapes[value][1:], border, rooms[value])
        for value, border in borders.items()
    }


def _slots(
    steps: Sequence[Operation],
    output: int,
    chosen: Mapping[int, Family],
    layouts: Mapping[int, Layout],
) -> dict[int, int]:
    """Return slots; values share one if they lie alike, so that zeros around them stay."""
    last_reader = {source: step.result for step in steps for source in step.sources}
    # What layers of NumPy read they may hand on as it is; nor is the output overwritten.
    read = {source for step in steps if step.result not in chosen for source in step.sources}
    lasting = {output, *read}
    free: dict[Layout, list[int]] = {}
    slots: dict[int, int] = {}

    def take(value: int) -> None:
        if value in layouts:
            waiting = free.get(layouts[value])
            slots[value] = waiting.pop() if waiting else len(slots)

    take(INPUT)
    for step in steps:
        take(step.result)
        for source in set(step.sources) - lasting:
            if last_reader[source] == step.result and source in slots:
                free.setdefault(layouts[source], []).append(slots[source])
    return slots


def _whole(channels: int, lanes: int) -> int:
    return channels + -channels % lanes
