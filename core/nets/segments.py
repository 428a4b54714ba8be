"""A graph cut into runs of layers that see groups of images, and layers that see all at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from core.nets.graph import Node, needed

LANES = 16
"""Groups are multiples of this many images: the float32 in the longest vector registers."""

# What the layers of a group keep: of that, what is at work stays in one core's caches. Groups of a
# megabyte would fit the second one, but LeNet-5 then spends more on calls than on numbers: on two
# cores of an AMD EPYC a step took twice as long.
_WORKING_SET = 8 << 20
# So many groups if there are images enough, so that many cores find work; but not in groups of
# fewer numbers than this, as long as there are two.
_GROUPS = 4
_LEAST_NUMBERS = 1 << 20
# Fewer numbers than this are not worth the calls that groups cost.
_WORTH_GROUPS = 1 << 17
_FLOAT = 4


@dataclass(frozen=True)
class Segment:
    """Consecutive layers that are computed one after the other for one group of images.

    Attributes
    ----------
    nodes : tuple of Node
        In the order of the net; a single one if it needs the whole batch.
    whole : bool
        Whether the group is the whole batch.
    program : bool
        Whether it is computed by a program (`core.nets.program`), which knows itself what needs the
        whole batch.
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
    program: bool
    enters: tuple[int, ...]
    leaves: tuple[int, ...]
    wanted: tuple[int, ...]
    frees: tuple[tuple[int, ...], ...]
    drops: tuple[int, ...]


def no_program(node: Node) -> bool:
    """Return that there is none."""
    return False


def cut(
    nodes: Sequence[Node],
    output: int,
    *,
    training: bool,
    has_program: Callable[[Node], bool] = no_program,
) -> tuple[Segment, ...]:
    """Return the segments that compute the layer numbered ``output``.

    Parameters
    ----------
    nodes : sequence of Node
        The net.
    output : int
        The number of a layer.
    training : bool
        Whether there will be gradients.
    has_program : callable
        Of which layers to make programs, where they come with others that are worth it.

    Examples
    --------
    >>> from core.nets.graph import build
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "relu"}, {"layer": "flatten"}, {"layer": "dense", "features": 2}]
    >>> nodes = build(NetSpec.model_validate({"input": [1, 4], "layers": layers}))
    >>> for segment in cut(nodes, 2, training=True):
    ...     print([node.name for node in segment.nodes], segment.enters, segment.leaves)
    ['relu1', 'flatten1'] (-1,) (1,)
    ['dense1'] (1,) (2,)
    """
    used = needed(nodes, output)
    learning = {node.index for node in used if node.learns}
    segments: list[Segment] = []
    read_later = {output}
    programs = _of_programs(used, has_program)
    for run in reversed(_runs(used, training, programs)):
        program = run[0].index in programs
        is_whole = not program and _is_whole(run[0], training)
        segments.insert(0, _segment(run, is_whole, program, read_later, learning))
        read_later = read_later | _reads(run)
    return tuple(segments)


def groups_of(segments: Sequence[Segment], images: int) -> list[slice]:
    """Return the groups of images; all of one size, but the last may have fewer.

    Depends on shapes and the number of images only, never on the number of cores, so that sums
    over groups are the same everywhere.

    Examples
    --------
    >>> from core.nets.graph import build
    >>> from core.nets.spec import NetSpec
    >>> nodes = build(NetSpec.model_validate({"input": [1, 64, 64], "layers": [{"layer": "relu"}]}))
    >>> groups_of(cut(nodes, 0, training=False), 40)
    [slice(0, 16, None), slice(16, 32, None), slice(32, 40, None)]
    """
    kept = max((_numbers(segment) for segment in segments if not segment.whole), default=1)
    fitting = max(1, _WORKING_SET // (_FLOAT * kept * LANES))
    sharing = images // (_GROUPS * LANES)
    worth = min(_LEAST_NUMBERS // (kept * LANES), images // (2 * LANES))
    size = min(fitting, max(1, sharing, worth)) * LANES
    return [slice(first, min(first + size, images)) for first in range(0, images, size)]


def shares_of(segment: Segment, groups: list[slice]) -> list[slice]:
    """Return the groups that the segment is computed in: these, or one that has all images."""
    images = groups[-1].stop
    if segment.program:
        return groups
    if segment.whole or _numbers(segment) * images < _WORTH_GROUPS:
        return [slice(0, images)]
    return groups


def _of_programs(nodes: Sequence[Node], has_program: Callable[[Node], bool]) -> set[int]:
    # Layers in a row that all have programs; a few operations by themselves are not worth one.
    found: set[int] = set()
    for suitable, run in groupby(nodes, key=has_program):
        own = list(run)
        if suitable and any(node.multiply_adds for node in own):
            found.update(node.index for node in own)
    return found


def _runs(nodes: Sequence[Node], training: bool, programs: set[int]) -> list[tuple[Node, ...]]:
    def kind(node: Node) -> tuple[bool, bool]:
        program = node.index in programs
        return program, not program and _is_whole(node, training)

    runs: list[tuple[Node, ...]] = []
    for node in nodes:
        _, whole = kind(node)
        if runs and not whole and kind(node) == kind(runs[-1][-1]):
            runs[-1] = (*runs[-1], node)
        else:
            runs.append((node,))
    return runs


def _is_whole(node: Node, training: bool) -> bool:
    return node.layer.whole_batch and (training or node.layer.forward_pieces is None)


def _numbers(segment: Segment) -> int:
    return sum(math.prod(node.shape) for node in segment.nodes)


def _reads(nodes: Sequence[Node]) -> set[int]:
    return {source for node in nodes for source in node.sources}


def _segment(
    nodes: tuple[Node, ...],
    whole: bool,
    program: bool,
    read_later: set[int],
    learning: set[int],
) -> Segment:
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
        whole=whole,
        program=program,
        enters=tuple(sorted(enters)),
        leaves=tuple(sorted(leaves)),
        wanted=tuple(sorted(enters & learning)),
        frees=tuple(tuple(unread[node.index]) for node in nodes),
        drops=tuple(sorted(enters - read_later)),
    )
