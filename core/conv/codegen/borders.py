"""Most outputs need nothing from outside: only those at the edges need a padded copy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from core.arrays import Array
from core.conv.blocks import Block, block_count, blocks
from core.conv.boundary import Extended
from core.conv.codegen.operands import in_rows
from core.conv.normal import NormalForm, Shape

# An inner part that is a smaller share of the block than this is not worth calls of its own.
_LEAST_SHARE = 0.5
# The parts of more blocks than these take long to make, which only small work would notice later.
_KEPT_BLOCKS = 64

Index = tuple[slice, ...]
Ranges = tuple[tuple[int, int], ...]


class Part(NamedTuple):
    """A part of a block: where its inputs and its outputs are.

    Parameters
    ----------
    source : tuple of slice
        Its inputs, in ``x`` of shape ``(N, C, *spatial)``.
    shape : tuple of int
        Shape of its inputs, zeros outside of ``x`` included.
    target : tuple of slice or None
        Where ``source`` lies in ``shape``; ``None`` where it is all of it.
    outputs : tuple of slice
        Its outputs, in ``out`` of shape ``(N, O, *out)``.
    """

    source: Index
    shape: Shape
    target: Index | None
    outputs: Index


def parts_of_blocks(
    form: NormalForm, size: Shape, images: int, least: Shape, inside: Ranges
) -> Iterable[tuple[Part, ...]]:
    """Return the parts of every block; for ``least`` and ``inside`` see `split`."""
    kept = _kept_parts(form, size, images, least, inside)
    return _parts(form, size, images, least, inside) if kept is None else kept


@lru_cache(maxsize=256)
def _kept_parts(
    form: NormalForm, size: Shape, images: int, least: Shape, inside: Ranges
) -> tuple[tuple[Part, ...], ...] | None:
    if block_count(form, size, images) > _KEPT_BLOCKS:
        return None
    return tuple(_parts(form, size, images, least, inside))


def _parts(
    form: NormalForm, size: Shape, images: int, least: Shape, inside: Ranges
) -> Iterator[tuple[Part, ...]]:
    for block in blocks(form, size, images):
        yield tuple(_part(form, part) for part in split(form, block, least, inside))


def fetch(x: Array, part: Part, dtype: str) -> Array:
    """Return the inputs of a part with a contiguous last axis: a view of ``x`` where it can be."""
    inside = x[part.source]
    if part.target is None:
        return in_rows(inside.astype(dtype, copy=False))
    padded = np.zeros(part.shape, dtype)
    padded[part.target] = inside
    return padded


def _part(form: NormalForm, block: Block) -> Part:
    every = slice(None)
    first, span = form.first_input(block.at), form.span_of(block.size)
    source = tuple(
        slice(min(max(f, 0), n), min(max(f + m, 0), n))
        for f, m, n in zip(first, span, form.spatial, strict=True)
    )
    target = tuple(
        slice(i.start - f, i.stop - f) if i.stop > i.start else slice(0, 0)
        for i, f in zip(source, first, strict=True)
    )
    whole = all(t.stop - t.start == m for t, m in zip(target, span, strict=True))
    return Part(
        source=(block.images, every, *source),
        shape=(block.last - block.first, form.in_channels, *span),
        target=None if whole else (every, every, *target),
        outputs=(block.images, every, *block.positions),
    )


def inside_of(x: Array, form: NormalForm) -> Ranges:
    """Return where ``x`` is in memory, along the convolved axes."""
    return x.inside if isinstance(x, Extended) else tuple((0, n) for n in form.spatial)


def split(form: NormalForm, block: Block, least: Shape, inside: Ranges) -> Iterator[Block]:
    """Cut a block of a form with stride 1 into its edges and, last, its inner part.

    All inputs of the inner part lie within ``inside``, from first to last on every axis. An edge
    is at least ``least`` outputs long where the block allows it; a block that has little inside
    is left whole.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (9, 15), (3, 3), (1, 1), (9, 15), (1, 1), (1, 1), "float64")
    >>> for part in split(form, Block(0, 1, (0, 0), (9, 15)), (1, 2), ((0, 9), (0, 15))):
    ...     print(part.at, part.size)
    (0, 0) (1, 15)
    (8, 0) (1, 15)
    (1, 0) (7, 2)
    (1, 13) (7, 2)
    (1, 2) (7, 11)
    """
    inner = [
        _inner(*sides)
        for sides in zip(block.at, block.size, inside, form.start, form.reach, least, strict=True)
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


def _inner(
    at: int, size: int, inside: tuple[int, int], start: int, reach: int, least: int
) -> tuple[int, int]:
    # The outputs of an axis whose inputs lie inside; an edge takes at least ``least`` of them.
    end = at + size
    first, last = max(at, inside[0] + reach - start), min(end, inside[1] - start)
    first = first if first == at else max(first, at + least)
    last = last if last == end else min(last, end - least)
    return (first, last) if first < last else (at, at)
