"""Sums, activations and concatenation as calls of `core.conv.codegen.one_rows`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.calls import Call
from core.conv.codegen.one_activation import constants
from core.conv.codegen.one_rows import MOST_OPERANDS, Rows, kernel
from core.conv.codegen.target import host
from core.nets.inference.family import Family, Stages
from core.nets.inference.fusion import Operation, activation_of
from core.nets.inference.layout import Layout
from core.nets.inference.memory import Kept, Place
from core.nets.layer import Shape


def suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether numbers that belong together lie together."""
    return len(set(incoming)) == 1 and len(incoming) <= MOST_OPERANDS


def shape(operation: Operation, incoming: Sequence[Shape]) -> Shape:
    """Return the shape that comes in: what was flattened stays as it lies."""
    return incoming[0]


def calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return the call for the activation of a value, or of a sum of several."""
    activation, parameter = activation_of(operation.node)
    if activation == "identity":
        activation, parameter = operation.activation, operation.parameter
    lanes = host().lanes(np.dtype(kept.dtype).itemsize)
    layouts = [result.layout, *(source.layout for source in sources)]
    starts, length = _rows(layouts, lanes)
    rows = Rows(kept.dtype, lanes, len(sources), activation)
    return [[_call(rows, parameter, starts, length, sources, result.address, kept)]]


def concatenate_suits(operation: Operation, incoming: Sequence[Shape]) -> bool:
    """Return whether what is put together are channels in memory too."""
    return tuple(incoming) == operation.node.incoming


def concatenate_room(operation: Operation, incoming: Sequence[Shape], lanes: int) -> int:
    """Return up to where the last whole vector reaches."""
    last = incoming[-1][0]
    return operation.shape[0] + -last % lanes


def concatenate_calls(
    operation: Operation, sources: Sequence[Place], result: Place, kept: Kept, shares: int
) -> Stages:
    """Return one copy for each source; whole vectors reach into the next, which follows."""
    lanes = host().lanes(np.dtype(kept.dtype).itemsize)
    itemsize = np.dtype(kept.dtype).itemsize
    firsts = accumulate((source.layout.channels for source in sources), initial=0)
    found = []
    for source, first in zip(sources, firsts, strict=False):
        starts = _pixels([result.layout, source.layout])
        length = -(-source.layout.channels // lanes)
        address = result.address + first * itemsize
        rows = Rows(kept.dtype, lanes, 1)
        found.append([_call(rows, 0.0, starts, length, [source], address, kept)])
    return found


def _call(
    rows: Rows,
    parameter: float,
    starts: NDArray[np.int64],
    vectors: int,
    sources: Sequence[Place],
    address: int,
    kept: Kept,
) -> Call:
    arguments = (
        address,
        kept.numbers(constants(kept.dtype, parameter)),
        kept.table(starts),
        *(source.address for source in sources),
        len(starts),
        vectors,
    )
    return kernel(rows), arguments


def _rows(layouts: list[Layout], lanes: int) -> tuple[NDArray[np.int64], int]:
    """Return where rows begin in each layout, and how many vectors each is long."""
    first = layouts[0]
    if any(layout.pitch != first.pitch for layout in layouts):
        return _pixels(layouts), -(-first.channels // lanes)
    if any(any(layout.border) for layout in layouts):
        # Rows of pixels, between the zeros.
        along = [np.arange(n) for n in first.spatial[:-1]] + [np.zeros(1, np.int64)]
        starts = np.stack([layout.offsets(along) for layout in layouts], axis=1)
        return starts, first.spatial[-1] * first.pitch // lanes
    return np.zeros((1, len(layouts)), np.int64), first.size // lanes


def _pixels(layouts: list[Layout]) -> NDArray[np.int64]:
    along = [np.arange(n) for n in layouts[0].spatial]
    return np.stack([layout.offsets(along) for layout in layouts], axis=1)


ROWS = Family(suits=suits, calls=calls, shape=shape)
CONCATENATE = Family(suits=concatenate_suits, calls=concatenate_calls, room=concatenate_room)
