"""A graph cut into runs of layers that see groups of images, and layers that see all at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.nets.graph import Node

LANES = 16
"""Groups are multiples of this many images: the float32 in the longest vector registers."""

# What the layers of a group keep should stay in one core's second cache (1 to 2 MB today).
_WORKING_SET = 1 << 20
# So many groups at least, if there are images enough, so that many cores find work.
_GROUPS = 4


@dataclass(frozen=True)
class Segment:
    """Consecutive layers that are computed one after the other for one group of images.

    Attributes
    ----------
    nodes : tuple of Node
        In the order of the net.
    whole : bool
        Whether the group is the whole batch.
    enters, leaves : tuple of int
        Outputs of earlier segments that this one reads; of this one that are read later, or
        that the net returns.
    wanted : tuple of int
        Those of ``enters`` that depend on parameters, whose gradients are therefore needed.
    frees : tuple of tuple of int
        After each node, what no node of the segment reads any more.
    drops : tuple of int
        What no later segment reads any more.
    """

    nodes: tuple[Node, ...]
    whole: bool
    enters: tuple[int, ...]
    leaves: tuple[int, ...]
    wanted: tuple[int, ...]
    frees: tuple[tuple[int, ...], ...]
    drops: tuple[int, ...]


def cut(nodes: Sequence[Node], output: int) -> tuple[Segment, ...]:
    """Return the segments that compute the layer numbered ``output``.

    Examples
    --------
    >>> from core.nets.graph import build
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "relu"}, {"layer": "flatten"}, {"layer": "dense", "features": 2}]
    >>> nodes = build(NetSpec.model_validate({"input": [1, 4], "layers": layers}))
    >>> for segment in cut(nodes, 2):
    ...     print([node.name for node in segment.nodes], segment.enters, segment.leaves)
    ['relu1', 'flatten1'] (-1,) (1,)
    ['dense1'] (1,) (2,)
    """
    needed = _needed(nodes, output)
    learning = {node.index for node in needed if node.learns}
    runs = [tuple(run) for _, run in itertools.groupby(needed, lambda node: node.layer.whole_batch)]
    segments = []
    read_later = {output}
    for run in reversed(runs):
        segments.append(_segment(run, read_later, learning))
        read_later = read_later | _reads(run)
    return tuple(reversed(segments))


def group_size(segment: Segment, images: int) -> int:
    """Return how many images a group has; the last one may have fewer.

    Depends on shapes and the number of images only, never on the number of cores, so that sums
    over groups are the same everywhere.
    """
    if segment.whole:
        return images
    kept = 4 * sum(math.prod(node.shape) for node in segment.nodes)
    fitting = max(1, _WORKING_SET // (kept * LANES))
    sharing = max(1, images // (_GROUPS * LANES))
    return min(fitting, sharing) * LANES


def _needed(nodes: Sequence[Node], output: int) -> list[Node]:
    needed = {output}
    for node in reversed(nodes):
        if node.index in needed:
            needed.update(node.sources)
    return [node for node in nodes if node.index in needed]


def _reads(nodes: Sequence[Node]) -> set[int]:
    return {source for node in nodes for source in node.sources}


def _segment(nodes: tuple[Node, ...], read_later: set[int], learning: set[int]) -> Segment:
    own = {node.index for node in nodes}
    enters = _reads(nodes) - own
    leaves = own & read_later
    last_reader = {source: node.index for node in nodes for source in node.sources}
    unread: dict[int, list[int]] = {node.index: [] for node in nodes}
    for source, reader in last_reader.items():
        if source not in leaves:
            unread[reader].append(source)
    return Segment(
        nodes=nodes,
        whole=nodes[0].layer.whole_batch,
        enters=tuple(sorted(enters)),
        leaves=tuple(sorted(leaves)),
        wanted=tuple(sorted(enters & learning)),
        frees=tuple(tuple(unread[node.index]) for node in nodes),
        drops=tuple(sorted(enters - read_later)),
    )
