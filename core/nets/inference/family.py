"""What the planner asks of the kernels for a kind of layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from core.nets.inference.fusion import Operation
from core.nets.inference.memory import Kept, Place
from core.nets.layer import Shape

if TYPE_CHECKING:
    # Imports llvmlite, which may be missing.
    from core.conv.codegen.calls import Call

Stages: TypeAlias = "list[list[Call]]"
"""Calls that are made stage by stage, those of a stage in any order and several at a time."""


def no_border(operation: Operation, incoming: Sequence[Shape]) -> Shape:
    """Return no border: of kernels that stay inside."""
    return (0,) * (len(incoming[0]) - 1)


def own_channels(operation: Operation, incoming: Sequence[Shape], lanes: int) -> int:
    """Return the channels of the result."""
    return operation.shape[0]


def as_described(operation: Operation, incoming: Sequence[Shape]) -> Shape:
    """Return the shape that the net's description says."""
    return operation.shape


def whole_vectors(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return that kernels read whole vectors of channels."""
    return True


@dataclass(frozen=True)
class Family:
    """Kernels for a kind of layer.

    Shapes that come in are those in memory: of a vector that a picture was flattened to, that of
    the picture.

    Attributes
    ----------
    suits : callable
        ``(operation, incoming) -> bool``: whether there is a kernel.
    calls : callable
        ``(operation, sources, result, kept, shares) -> stages``, to be gone through in that order;
        the calls of a stage in any order, and several at a time. There should be ``shares`` of them
        if the work can be shared.
    border : callable
        ``(operation, incoming) -> zeros that must lie around the sources``.
    room : callable
        ``(operation, incoming, lanes) -> channels of a pixel that may be written to``.
    shape : callable
        ``(operation, incoming) -> shape of the result in memory``.
    whole : callable
        ``(operation, incoming) -> whether pixels of the sources must be whole vectors``.
    """

    suits: Callable[[Operation, Sequence[Shape]], bool]
    calls: Callable[[Operation, Sequence[Place], Place, Kept, int], Stages]
    border: Callable[[Operation, Sequence[Shape]], Shape] = no_border
    room: Callable[[Operation, Sequence[Shape], int], int] = own_channels
    shape: Callable[[Operation, Sequence[Shape]], Shape] = as_described
    whole: Callable[[Operation, Sequence[Shape]], bool] = whole_vectors
