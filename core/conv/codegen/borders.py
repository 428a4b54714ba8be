"""Most outputs need nothing from outside: only those at the edges need a padded copy."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from core.conv.blocks import Block
from core.conv.normal import NormalForm, Shape

# An inner part that is a smaller share of the block than this is not worth calls of its own.
_LEAST_SHARE = 0.5


def split(form: NormalForm, block: Block, least: Shape) -> Iterator[Block]:
    """Cut a block of a form with stride 1 into its edges and, last, its inner part.

    All inputs of the inner part lie within ``x``. An edge is at least ``least`` outputs long
    where the block allows it; a block that has little inside is left whole.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9, 15), (3, 3), (1, 1), (9, 15), (1, 1), (1, 1), "float64")
    >>> for part in split(form, Block(0, 1, (0, 0), (9, 15)), (1, 2)):
    ...     print(part.at, part.size)
    (0, 0) (1, 15)
    (8, 0) (1, 15)
    (1, 0) (7, 2)
    (1, 13) (7, 2)
    (1, 2) (7, 11)
    """
    inner = [
        _inner(*sides)
        for sides in zip(
            block.at, block.size, form.spatial, form.start, form.reach, least, strict=True
        )
    ]
    if math.prod(stop - start for start, stop in inner) < _LEAST_SHARE * math.prod(block.size):
        yield block
        return
    at, size = list(block.at), list(block.size)
    for axis, (start, stop) in enumerate(inner):
        end = at[axis] + size[axis]
        for first, last in ((at[axis], start), (stop, end)):
            if last > first:
                at[axis], size[axis] = first, last - first
                yield replace(block, at=tuple(at), size=tuple(size))
        at[axis], size[axis] = start, stop - start
    yield replace(block, at=tuple(at), size=tuple(size))


def _inner(at: int, size: int, spatial: int, start: int, reach: int, least: int) -> tuple[int, int]:
    # The outputs of an axis whose inputs lie inside; an edge takes at least ``least`` of them.
    end = at + size
    first, last = max(at, reach - start), min(end, spatial - start)
    first = first if first == at else max(first, at + least)
    last = last if last == end else min(last, end - least)
    return (first, last) if first < last else (at, at)
