"""How much memory a net will need, before it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from core.conv.blocks import cores
from core.nets.layer import Parameter
from core.nets.segments import Segment, groups_of, shares_of

_FLOAT = 4
# The share of what layers return that is kept until gradients are known: what a rectifier reads,
# for example, is not.
_KEPT = Fraction(3, 4)


def memory(segments: Sequence[Segment], images: int, *, training: bool) -> int:
    """Return bytes at the peak for float32, weights included and the images themselves not.

    When a net trains, most of what its layers return is kept until their gradients are known.
    Otherwise it is there from when it is computed until no layer reads it any more. In both cases
    each core works on one group. Programs have copies of what enters them and of their weights.
    With 16 images or more, what is measured is between half and twice as much; fewer are padded to
    16 inside some layers.

    Examples
    --------
    >>> from core.nets.graph import build
    >>> from core.nets.segments import cut
    >>> from core.nets.spec import NetSpec
    >>> spec = NetSpec.model_validate({"input": [4], "layers": [{"layer": "dense", "features": 3}]})
    >>> memory(cut(build(spec), 0, training=False), 10, training=False)
    460
    """
    nodes = [node for segment in segments for node in segment.nodes]
    weights = sum(_count(node.parameters) + _count(node.state) for node in nodes)
    groups = groups_of(segments, images)
    work = max(_work(segment, groups) for segment in segments)
    if training:
        kept = int(_KEPT * images * sum(math.prod(node.shape) for node in nodes if node.learns))
        own = sum(_gradients(s, groups) for s in segments) + sum(map(_copies, segments))
        copied = images * sum(map(_entering, segments))
        return _FLOAT * (weights + work + kept + own + copied)
    return _FLOAT * (weights + work + images * _crossing(segments))


def _work(segment: Segment, groups: list[slice]) -> int:
    """Return how many numbers the groups that are computed at a time have at most."""
    shares = shares_of(segment, groups)
    images: int = min(groups[-1].stop, cores() * (shares[0].stop - shares[0].start))
    widest = max(math.prod(n.shape) + sum(map(math.prod, n.incoming)) for n in segment.nodes)
    return images * widest


def _gradients(segment: Segment, groups: list[slice]) -> int:
    """Return how many numbers the gradients have, which each group has for itself."""
    own = sum(_count(node.parameters) for node in segment.nodes)
    return len(shares_of(segment, groups)) * own


def _copies(segment: Segment) -> int:
    """Return how many numbers a program's copy of its weights has, and the sum of gradients."""
    return 2 * sum(_count(node.parameters) for node in segment.nodes) if segment.program else 0


def _entering(segment: Segment) -> int:
    """Return how many numbers enter a program for one image, and their gradients."""
    if not segment.program:
        return 0
    sizes = {
        source: math.prod(shape)
        for node in segment.nodes
        for source, shape in zip(node.sources, node.incoming, strict=True)
    }
    return sum(sizes[index] for index in (*segment.enters, *segment.wanted))


def _crossing(segments: Sequence[Segment]) -> int:
    """Return how many numbers exist at most between segments, for one image."""
    most, alive = 0, 0
    sizes = {node.index: math.prod(node.shape) for s in segments for node in s.nodes}
    for segment in segments:
        alive += sum(sizes[index] for index in segment.leaves)
        most = max(most, alive)
        alive -= sum(sizes[index] for index in segment.drops if index in sizes)
    return most


def _count(parameters: Mapping[str, Parameter]) -> int:
    return sum(math.prod(parameter.shape) for parameter in parameters.values())
