"""The steps of a prepared net: tables of kernels' calls, and layers that compute by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from core.conv.blocks import cores
from core.conv.codegen.calls import Call, run, run_alone, table
from core.conv.codegen.one_interleave import Interleaving, kernel
from core.nets.graph import INPUT
from core.nets.inference.forward import Step, Values, forward_of
from core.nets.inference.fusion import Operation
from core.nets.inference.memory import Kept, Place
from core.nets.inference.planning import Plan
from core.nets.layer import Weights

# Shared are layers that take about 0.15 ms or longer. To share takes 5 to 10 us, and a caller waits
# for its helpers, which may have to wait for a core: where others computed too, a net whose layers
# of 20 us each were shared took four times as long in one of ten predictions.
_WORTH_SHARING = 1 << 24
# More shares than cores, for a core may be busy with something else.
_SHARES_PER_CORE = 2
_FIRST_ARGUMENT = 1


class Stage(NamedTuple):
    """Calls that may be made in any order, and several at a time.

    Attributes
    ----------
    calls : sequence of call
        Kernels and their arguments.
    reads : int, optional
        A value that is no kernel's; its address is the first argument of the only call.
    """

    calls: Sequence[Call]
    reads: int | None = None


def steps_of(
    operations: Sequence[Operation],
    weights: Weights,
    planned: Plan,
    places: Mapping[int, Place],
    kept: Kept,
) -> list[Step]:
    """Return the steps that compute operations.

    Parameters
    ----------
    operations : sequence of Operation
        In order.
    weights : mapping
        Of the net.
    planned : Plan
        Which of them have kernels.
    places : mapping
        Where values lie that kernels read or make.
    kept : Kept
        Takes what kernels are told the addresses of.
    """
    made = {value: places[value].view for value in planned.families}
    parts: list[Stage | Step] = [_entering(INPUT, places[INPUT], kept)] if INPUT in places else []
    for one in operations:
        family = planned.families.get(one.result)
        if family is not None:
            sources = [places[source] for source in one.sources]
            shares = _SHARES_PER_CORE * cores() if _is_worth_sharing(one) else 1
            stages = family.calls(one, sources, places[one.result], kept, shares)
            parts += [Stage(calls) for calls in stages]
            continue
        parts.append(forward_of(one, weights, made))
        if one.result in places:
            parts.append(_entering(one.result, places[one.result], kept))
    return _joined(parts)


def _is_worth_sharing(operation: Operation) -> bool:
    return cores() > 1 and operation.node.multiply_adds >= _WORTH_SHARING


def _entering(value: int, place: Place, kept: Kept) -> Stage:
    """Return what brings an array ``(channels, *spatial, 1)`` to where kernels read it."""
    layout = place.layout
    channels, pitch, length = layout.channels, layout.pitch, 1
    if layout.spatial:
        length = layout.spatial[-1]
        into = layout.offsets([*(np.arange(n) for n in layout.spatial[:-1]), [0]])
    else:
        # A vector lies as the row of a picture with one channel does.
        channels, pitch, length = 1, 1, channels
        into = layout.offsets([])
    rows = np.stack([np.arange(len(into)) * length, into], axis=1)
    arguments = 0, place.address, kept.table(rows), len(rows), length, len(rows) * length
    return Stage([(kernel(Interleaving(kept.dtype, channels, pitch)), arguments)], value)


def _joined(parts: Sequence[Stage | Step]) -> list[Step]:
    """Return steps: calls that follow one another are made at once."""
    steps: list[Step] = []
    for alone, group in groupby(parts, _is_alone):
        if alone:
            steps.append(_in_turn([part for part in group if isinstance(part, Stage)]))
            continue
        steps += [_at_once(part) if isinstance(part, Stage) else part for part in group]
    return steps


def _is_alone(part: Stage | Step) -> bool:
    return isinstance(part, Stage) and len(part.calls) == 1


def _in_turn(stages: Sequence[Stage]) -> Step:
    calls = table(call for stage in stages for call in stage.calls)
    reads = [(row, stage.reads) for row, stage in enumerate(stages) if stage.reads is not None]

    def step(values: Values) -> None:
        for row, value in reads:
            x = values[value] = np.ascontiguousarray(values[value])
            calls[row, _FIRST_ARGUMENT] = x.__array_interface__["data"][0]
        run_alone(calls)

    return step


def _at_once(stage: Stage) -> Step:
    calls = table(stage.calls)
    return lambda values: run(calls)
