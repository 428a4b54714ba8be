"""What is computed at a time: one layer or a few, as calls of kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from core.arrays import Array
from core.nets.graph import Node
from core.nets.layer import Shape

if TYPE_CHECKING:  # It needs llvmlite.
    from core.conv.codegen.calls import Call


Draw: TypeAlias = Callable[[Node, int], np.random.Generator]
"""Random numbers for a layer and a group."""


class Place(NamedTuple):
    """Where a unit finds its arrays for one group of images: addresses.

    Attributes
    ----------
    group, images : int
        The group's number, and how many images it has; they fill the lanes.
    xs, y : tuple of int, int
        Inputs and output, ``(*shape, images)``.
    dy, dxs : int, tuple of int
        Their gradients; 0 where one is not wanted.
    weights, gradients : mapping of str to int
        Parameters, and where the group's share of their gradients goes (`Unit.raw`).
    flag : int
        A vector; not 0 once something was not finite that a kernel has no answer for.
    scratch : int
        Memory of the core.
    """

    group: int
    images: int
    xs: tuple[int, ...]
    y: int
    dy: int
    dxs: tuple[int, ...]
    weights: Mapping[str, int]
    gradients: Mapping[str, int]
    flag: int
    scratch: int


class Raw(NamedTuple):
    """The gradient of a parameter as a kernel leaves it.

    Attributes
    ----------
    shape : tuple of int
        It begins with zeros; groups' shares are added.
    finish : callable
        Makes the parameter's gradient of it, which may be a view.
    """

    shape: Shape
    finish: Callable[[Array], Array]


def nothing(places: Sequence[Place]) -> list[Call]:
    """Return no calls: of a unit that has nothing to do."""
    return []


@dataclass(frozen=True)
class Unit:
    """Layers that are computed at a time.

    Attributes
    ----------
    nodes : tuple of Node
        One after the other; nobody else reads what is between them.
    forward, backward : callable
        ``(places) -> calls``. A unit that is ``whole`` is given the places of all groups and
        returns calls that may be made at the same time; any other is given one place, and its
        calls are made in order.
    whole : bool
        Whether all groups must have come so far.
    reads : frozenset of {"x", "y"}
        What ``backward`` needs besides the gradient of the output.
    view : bool
        Whether the output is the input.
    passes, shares : bool
        Whether the gradient of every input is that of the output, or the same one for all.
    raw : mapping of str to Raw
        Of each parameter, by the names that layers give them.
    scratch : int
        Bytes of scratch memory that calls need.
    draw : callable
        ``(random) -> None``, before ``forward``; ``random(node, group)`` is a generator.
    updates : callable
        ``(state) -> new state``, after ``forward``.
    """

    nodes: tuple[Node, ...]
    forward: Callable[[Sequence[Place]], list[Call]] = nothing
    backward: Callable[[Sequence[Place]], list[Call]] = nothing
    whole: bool = False
    reads: frozenset[str] = frozenset()
    view: bool = False
    passes: bool = False
    shares: bool = False
    raw: Mapping[str, Raw] = field(default_factory=dict)
    scratch: int = 0
    draw: Callable[[Draw], None] | None = None
    updates: Callable[[Mapping[str, Array]], dict[str, Array]] | None = None

    @property
    def sources(self) -> tuple[int, ...]:
        """The numbers of the layers that it reads."""
        return self.nodes[0].sources

    @property
    def index(self) -> int:
        """The number of the layer whose output it has."""
        return self.nodes[-1].index

    @property
    def learns(self) -> bool:
        """Whether there are gradients to go through it."""
        return self.nodes[-1].learns

    @property
    def wanted(self) -> bool:
        """Whether the gradients of its inputs are of use."""
        return self.nodes[0].wanted


@dataclass(frozen=True)
class Form:
    """A kind of unit; one file ends with some of these.

    Attributes
    ----------
    layers : tuple of str
        The kinds of layers, one after the other.
    takes : callable
        ``(node) -> bool``: whether there are kernels for what each of the layers is described as.
    build : callable
        ``(nodes, groups, dtype) -> unit`` for groups of so many images.
    """

    layers: tuple[str, ...]
    takes: Callable[[Node], bool]
    build: Callable[[tuple[Node, ...], Sequence[int], str], Unit]


def always(node: Node) -> bool:
    """Return that there are kernels."""
    return True
