"""Forward and back through a net, group by group, on all cores.

What goes from one segment to another is in pieces along its last axis, the images: one for each
group, or one for all. Whatever is summed over groups is summed in their order, so that the result
depends neither on how many cores there are nor on which of them was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

import numpy as np

from core.arrays import Array, array_module, is_on_gpu
from core.conv.blocks import Check, cores, for_each, never
from core.conv.precision import Precision
from core.nets.graph import INPUT, Node
from core.nets.layer import Backward, Context, Pieces, Weights
from core.nets.mixed import in_mixed_precision
from core.nets.program.programs import Programs
from core.nets.segments import Segment, groups_of, shares_of

Values: TypeAlias = dict[int, Pieces]
Arriving: TypeAlias = dict[int, list[Pieces]]
"""Gradients of what crossed between segments: one from each segment that read it."""

SegmentBackward: TypeAlias = Callable[[Arriving], dict[str, Array]]
"""Takes what arrives at a segment's outputs, adds what arrives at its inputs, and returns the
gradients of its parameters."""


@dataclass(frozen=True)
class Moment:
    """What all layers of one pass have in common.

    Attributes
    ----------
    parameters, state : sequence of mapping
        Of each node, by name.
    dtype : dtype
        Of everything that is computed.
    words : bool
        Whether the net's input stays as it is, integers.
    training : bool
        Whether layers that differ between the two do what they do in training.
    seed : tuple of int
        Of the step; the numbers of the layer and of the group are added.
    check : callable
        Called between groups; what it raises ends the pass.
    programs : Programs
        Of the net, for those segments that have programs.
    counter : array, optional
        The number of the step where only the device knows it (`core.nets.layer.Context`).
    mixed : bool
        Whether layers that can do with it compute on float16 (`core.nets.mixed`).
    precision : {"float32", "tf32", "bfloat16"}
        What layers may multiply in place of float32 numbers (`core.nets.layer.Context`).
    """

    parameters: Sequence[Weights]
    state: Sequence[Weights]
    dtype: np.dtype[np.floating]
    words: bool
    training: bool = False
    seed: tuple[int, ...] = ()
    check: Check = never
    programs: Programs = field(default_factory=Programs)
    counter: Array | None = None
    mixed: bool = False
    precision: Precision = "float32"


@dataclass
class Trace:
    """What a forward pass leaves behind: the segments' gradients, and new values of state."""

    backs: list[SegmentBackward] = field(default_factory=list)
    updates: dict[str, Array] = field(default_factory=dict)


def forward(segments: Sequence[Segment], x: Array, moment: Moment) -> tuple[Array, Trace]:
    """Return the output ``(*shape, images)`` for ``x (images, *shape)``, and the trace.

    Without training the trace holds no arrays.
    """
    # A GPU takes all images at once, from the thread that calls.
    groups = [slice(0, len(x))] if is_on_gpu(x) else groups_of(segments, len(x))
    trace = Trace()
    values: Values = {INPUT: [x]}
    for segment in segments:
        values |= _way(segment, moment.mixed)(segment, values, groups, moment, trace)
        for index in segment.drops:
            del values[index]
    last = segments[-1]
    found = _part(values[last.nodes[-1].index], [slice(0, len(x))], 0)
    # A program writes there again.
    return found.copy() if last.program else found, trace


def backward(segments: Sequence[Segment], dy: Array, trace: Trace) -> dict[str, Array]:
    """Return the gradients of all parameters, given that of the output ``(*shape, images)``.

    Uses up the trace: what a segment has kept is freed when its gradient is known.
    """
    gradients: dict[str, Array] = {}
    arriving: Arriving = {segments[-1].nodes[-1].index: [[dy]]}
    while trace.backs:
        gradients |= trace.backs.pop()(arriving)
    return gradients


def _way(segment: Segment, mixed: bool) -> Callable[..., Values]:
    if segment.program:
        return _program_forward
    in_pieces = segment.whole and segment.nodes[0].layer.forward_pieces is not None
    return _pieces_forward if in_pieces and not mixed else _shares_forward


def _program_forward(
    segment: Segment, values: Values, groups: list[slice], moment: Moment, trace: Trace
) -> Values:
    """Run the tables of a program."""
    program = moment.programs.of(segment, groups, moment.dtype.name)
    numbers = range(len(groups))
    entering = {
        index: values[index]
        if index == INPUT
        else [_part(values[index], groups, number) for number in numbers]
        for index in segment.enters
    }
    leaving = program.forward(
        entering, moment.parameters, lambda node, number: _context(node, moment, number).random
    )
    trace.updates.update(program.updates(moment.state))

    def back(arriving: Arriving) -> dict[str, Array]:
        above = {index: arriving.pop(index) for index in segment.leaves if index in arriving}
        below, gradients = program.backward(
            {
                index: [_sum(several, groups, number) for number in numbers]
                for index, several in above.items()
            }
        )
        _arrive(arriving, below)
        return gradients

    if any(node.learns for node in segment.nodes):
        trace.backs.append(back)
    return leaving


def _shares_forward(
    segment: Segment, values: Values, groups: list[slice], moment: Moment, trace: Trace
) -> Values:
    """Compute layers one after the other for each group, or for the whole batch."""
    shares = shares_of(segment, groups)
    tapes: list[list[tuple[Node, Backward]]] = [[] for _ in shares]
    leaving: Values = {index: [None] * len(shares) for index in segment.leaves}

    def compute(number: int) -> None:
        found = {index: _enter(values, index, shares, number, moment) for index in segment.enters}
        for node, unread in zip(segment.nodes, segment.frees, strict=True):
            context = _context(node, moment, number)
            inputs = [found[source] for source in node.sources]
            layer = in_mixed_precision(node.layer) if moment.mixed else node.layer
            found[node.index], back = layer.forward(
                node.spec, inputs, moment.parameters[node.index], context
            )
            if moment.training and node.learns:
                tapes[number].append((node, back))
            trace.updates.update(_named(node, context.updates))
            for index in unread:
                del found[index]
        for index, pieces in leaving.items():
            pieces[number] = found[index]

    for_each(compute, range(len(shares)), moment.check, cores())

    def back(arriving: Arriving) -> dict[str, Array]:
        above = {index: arriving.pop(index) for index in segment.leaves if index in arriving}
        below: Values = {index: [None] * len(shares) for index in segment.wanted}
        own: list[dict[str, Array]] = [{} for _ in shares]

        def compute(number: int) -> None:
            found = {index: _sum(several, shares, number) for index, several in above.items()}
            while tapes[number]:
                node, back = tapes[number].pop()
                incoming, gradients = back(found.pop(node.index))
                own[number].update(_named(node, gradients))
                for source, gradient in zip(node.sources, incoming, strict=True):
                    if gradient is not None:
                        found[source] = found[source] + gradient if source in found else gradient
            for index, pieces in below.items():
                pieces[number] = found[index]

        for_each(compute, range(len(shares)), never, cores())
        _arrive(arriving, below)
        return {name: reduce(np.add, (found[name] for found in own)) for name in own[0]}

    trace.backs.append(back)
    return leaving


def _pieces_forward(
    segment: Segment, values: Values, groups: list[slice], moment: Moment, trace: Trace
) -> Values:
    """Compute a layer that sees all groups at once without needing them in one array."""
    (node,) = segment.nodes
    (source,) = node.sources
    assert node.layer.forward_pieces is not None
    shares = groups if source == INPUT or len(values[source]) == len(groups) else [slice(0, None)]
    pieces = [_enter(values, source, shares, number, moment) for number in range(len(shares))]
    context = _context(node, moment, 0)
    found, node_back = node.layer.forward_pieces(
        node.spec, [pieces], moment.parameters[node.index], context
    )
    trace.updates.update(_named(node, context.updates))

    def back(arriving: Arriving) -> dict[str, Array]:
        several = arriving.pop(node.index)
        (below,), gradients = node_back(
            [_sum(several, shares, number) for number in range(len(shares))]
        )
        if below is not None:
            _arrive(arriving, {source: below})
        return _named(node, gradients)

    trace.backs.append(back)
    return {node.index: found}


def _context(node: Node, moment: Moment, number: int) -> Context:
    return Context(
        training=moment.training,
        seed=(*moment.seed, node.index, number),
        state=moment.state[node.index],
        wanted=node.wanted,
        counter=moment.counter,
        precision=moment.precision,
    )


def _named(node: Node, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{node.name}.{name}": array for name, array in arrays.items()}


def _enter(values: Values, index: int, shares: list[slice], number: int, moment: Moment) -> Array:
    if index != INPUT:
        return _part(values[index], shares, number)
    x = np.moveaxis(values[INPUT][0][shares[number]], 0, -1)
    return array_module(x).ascontiguousarray(x, None if moment.words else moment.dtype)


def _part(pieces: Pieces, shares: list[slice], number: int) -> Array:
    """Return the share of what is in pieces: in one, or in those of all groups."""
    if len(pieces) == len(shares):
        return pieces[number]
    if len(shares) == 1:
        return np.concatenate(pieces, axis=-1)
    (whole,) = pieces
    return array_module(whole).ascontiguousarray(whole[..., shares[number]])


def _sum(several: list[Pieces], shares: list[slice], number: int) -> Array:
    return reduce(np.add, (_part(pieces, shares, number) for pieces in several))


def _arrive(arriving: Arriving, below: Values) -> None:
    for index, pieces in below.items():
        arriving.setdefault(index, []).append(pieces)
