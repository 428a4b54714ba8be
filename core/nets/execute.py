"""Forward and back through a net, group by group, on all cores.

Between segments a layer's output exists for the whole batch, batch-last; within a segment each
group of images has its own. Whatever is summed over groups is summed in their order, so that the
result depends neither on how many cores there are nor on which of them was faster.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check, cores, for_each, never
from core.nets.graph import INPUT, Node
from core.nets.heap import keep_freed_memory
from core.nets.layer import Backward, Context, Shape, Weights
from core.nets.segments import Segment, group_size

Tape = list[tuple[Node, Backward]]


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
    seed : tuple of int
        Of the step; the numbers of the layer and of the group are added.
    check : callable
        Called between groups; what it raises ends the pass.
    """

    parameters: Sequence[Weights]
    state: Sequence[Weights]
    dtype: np.dtype[np.floating]
    words: bool
    training: bool = False
    seed: tuple[int, ...] = ()
    check: Check = never


@dataclass
class Trace:
    """What a forward pass leaves behind: the tapes of the groups of each segment, and updates."""

    images: int
    tapes: list[list[Tape]] = field(default_factory=list)
    updates: dict[str, Array] = field(default_factory=dict)


def forward(segments: Sequence[Segment], x: Array, moment: Moment) -> tuple[Array, Trace]:
    """Return the output ``(*shape, images)`` for ``x (images, *shape)``, and the trace.

    The tapes are empty unless the net trains.
    """
    keep_freed_memory()
    trace = Trace(len(x))
    values: dict[int, Array] = {INPUT: x}
    for segment in segments:
        values |= _segment_forward(segment, values, moment, trace)
        for index in segment.drops:
            del values[index]
    return values[segments[-1].nodes[-1].index], trace


def backward(segments: Sequence[Segment], dy: Array, trace: Trace) -> dict[str, Array]:
    """Return the gradients of all parameters, given that of the output ``(*shape, images)``.

    Uses up the trace: what a layer has kept is freed when its gradient is known.
    """
    gradients: dict[str, Array] = {}
    arriving = {segments[-1].nodes[-1].index: dy}
    for segment in reversed(segments):
        _segment_backward(segment, arriving, trace.tapes.pop(), trace.images, gradients)
    return gradients


def _segment_forward(
    segment: Segment, values: dict[int, Array], moment: Moment, trace: Trace
) -> dict[int, Array]:
    groups = _groups(segment, trace.images)
    tapes: list[Tape] = [[] for _ in groups]
    shapes = {node.index: node.shape for node in segment.nodes}
    leaving = _space(segment.leaves, shapes, groups, moment.dtype)

    def compute(number: int) -> None:
        found = {index: _enter(values, index, groups[number], moment) for index in segment.enters}
        for node, unread in zip(segment.nodes, segment.frees, strict=True):
            context = Context(
                training=moment.training,
                seed=(*moment.seed, node.index, number),
                state=moment.state[node.index],
                wanted=node.wanted,
            )
            inputs = [found[source] for source in node.sources]
            found[node.index], back = node.layer.forward(
                node.spec, inputs, moment.parameters[node.index], context
            )
            if moment.training and node.learns:
                tapes[number].append((node, back))
            for name, array in context.updates.items():
                trace.updates[f"{node.name}.{name}"] = array
            for index in unread:
                del found[index]
        _join(leaving, segment.leaves, found, groups, number)

    for_each(compute, range(len(groups)), moment.check, cores())
    trace.tapes.append(tapes)
    return leaving


def _segment_backward(
    segment: Segment,
    arriving: dict[int, Array],
    tapes: list[Tape],
    images: int,
    gradients: dict[str, Array],
) -> None:
    """Turn what arrives at the segment's outputs into what arrives at its inputs."""
    if not any(tapes):
        return
    groups = _groups(segment, images)
    above = {index: arriving.pop(index) for index in segment.leaves if index in arriving}
    dtype = next(iter(above.values())).dtype
    shapes = {
        source: shape
        for node in segment.nodes
        for source, shape in zip(node.sources, node.incoming, strict=True)
    }
    below = _space(segment.wanted, shapes, groups, dtype)
    own: list[dict[str, Array]] = [{} for _ in groups]

    def compute(number: int) -> None:
        found = {index: _part(array, groups[number]) for index, array in above.items()}
        while tapes[number]:
            node, back = tapes[number].pop()
            incoming, found_here = back(found.pop(node.index))
            for name, gradient in found_here.items():
                own[number][f"{node.name}.{name}"] = gradient
            for source, gradient in zip(node.sources, incoming, strict=True):
                if gradient is not None:
                    found[source] = found[source] + gradient if source in found else gradient
        _join(below, segment.wanted, found, groups, number)

    for_each(compute, range(len(groups)), never, cores())
    for index, gradient in below.items():
        arriving[index] = arriving[index] + gradient if index in arriving else gradient
    for name in own[0]:
        gradients[name] = functools.reduce(np.add, (found[name] for found in own))


def _groups(segment: Segment, images: int) -> list[slice]:
    size = group_size(segment, images)
    return [slice(first, min(first + size, images)) for first in range(0, images, size)]


def _enter(values: dict[int, Array], index: int, images: slice, moment: Moment) -> Array:
    if index == INPUT:
        x = np.moveaxis(values[INPUT][images], 0, -1)
        return np.ascontiguousarray(x, None if moment.words else moment.dtype)
    return _part(values[index], images)


def _part(whole: Array, images: slice) -> Array:
    """Return the group's part; contiguous, because it is read more than once."""
    return np.ascontiguousarray(whole[..., images])


def _space(
    indices: Sequence[int],
    shapes: Mapping[int, Shape],
    groups: list[slice],
    dtype: np.dtype[np.floating],
) -> dict[int, Array]:
    """Return arrays for what the groups join; none for a single group, whose arrays are it."""
    if len(groups) == 1:
        return {}
    return {index: np.empty((*shapes[index], groups[-1].stop), dtype) for index in indices}


def _join(
    into: dict[int, Array],
    indices: Sequence[int],
    found: Mapping[int, Array],
    groups: list[slice],
    number: int,
) -> None:
    for index in indices:
        if len(groups) == 1:
            into[index] = found[index]
        else:
            into[index][..., groups[number]] = found[index]
