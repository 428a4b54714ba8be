"""Where the tensors of a net lie in the memory of a box, before it is known how much that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Sides = tuple[int, int, int]
"""Channels, rows, columns."""


@dataclass(eq=False)
class Buffer:
    """Room for a tensor: the channels of a pixel side by side, and a border of whole pixels.

    Attributes
    ----------
    shape : tuple of int
        Channels, rows, columns.
    pixel : int
        Numbers from pixel to pixel; at least the channels.
    border : list of int
        Pixels above, below, left and right; grows as steps turn out to read them.

    Examples
    --------
    >>> buffer = Buffer((6, 28, 28), 8)
    >>> buffer.reach(2, 2, 2, 2)
    >>> buffer.row, buffer.size
    (256, 8192)
    """

    shape: Sides
    pixel: int
    border: list[int] = field(default_factory=lambda: [0, 0, 0, 0])

    def reach(self, *sides: int) -> None:
        """See to it that the border is at least so wide."""
        self.border = [max(have, need) for have, need in zip(self.border, sides, strict=True)]

    @property
    def row(self) -> int:
        """Numbers from row to row."""
        return (self.border[2] + self.shape[2] + self.border[3]) * self.pixel

    @property
    def size(self) -> int:
        """Numbers in all."""
        return (self.border[0] + self.shape[1] + self.border[1]) * self.row

    @property
    def origin(self) -> int:
        """Where the first pixel inside the border is."""
        return self.border[0] * self.row + self.border[2] * self.pixel


@dataclass(frozen=True)
class Region:
    """A part of a buffer: what a step reads or writes.

    Attributes
    ----------
    buffer : Buffer
        Where.
    shape : tuple of int
        Channels, rows, columns.
    first : tuple of int
        The first channel, row and column; rows and columns may be in the border.
    step : tuple of int
        Every how many rows and columns.
    """

    buffer: Buffer
    shape: Sides
    first: Sides = (0, 0, 0)
    step: tuple[int, int] = (1, 1)

    @property
    def is_framed(self) -> bool:
        """Whether something of the same buffer lies around it, which others read."""
        return any(self.buffer.border) or self.shape != self.buffer.shape

    def document(self, place: int) -> dict[str, Any]:
        """Return where it lies in the arena, if its buffer begins at ``place``."""
        buffer, (channel, row, column) = self.buffer, self.first
        return {
            "at": place + buffer.origin + row * buffer.row + column * buffer.pixel + channel,
            "shape": list(self.shape),
            "pixel": buffer.pixel * self.step[1],
            "row": buffer.row * self.step[0],
        }


def whole(buffer: Buffer) -> Region:
    """Return all of a buffer but its border."""
    return Region(buffer, buffer.shape)


@dataclass(eq=False)
class Step:
    """One operation of a plan.

    Attributes
    ----------
    op : str
        Its name in `core.edge.runtime.steps`.
    layer : str
        Whose layer it belongs to.
    reads : list of Region
        What it reads: ``x``, or ``xs`` of a step that takes several.
    writes : Region, optional
        ``y``.
    fields : dict
        What else it says, JSON-ready.
    multiply_adds : int
        For one image.
    """

    op: str
    layer: str
    reads: list[Region]
    writes: Region
    fields: dict[str, Any] = field(default_factory=dict)
    multiply_adds: int = 0


def arranged(steps: Sequence[Step], result: Region, spare: int) -> tuple[dict[int, int], int]:
    """Return where each buffer begins in the arena, by its ``id``, and the length of the arena.

    Buffers that are not needed at the same time share memory: the largest first, each at the first
    place that is free as long as it lives (Y. Pisarchyk and J. Lee, "Efficient memory management
    for deep neural net inference", 2020, greedy by size). Those with a border share memory only if
    they lie alike, so that the zeros around them stay.

    Parameters
    ----------
    steps : sequence of Step
        In order.
    result : Region
        What is read after the last step.
    spare : int
        Numbers behind each buffer that are read and written with its last pixel.
    """
    rooms = _rooms(_lives(steps, result), len(steps))
    placed: list[tuple[int, int, _Room]] = []
    places: dict[int, int] = {}
    for room in sorted(rooms, key=lambda room: -room.buffers[0].size):
        size = -(-(room.buffers[0].size + spare) // GRAIN) * GRAIN
        at = 0
        for begin, end, other in sorted(placed, key=lambda place: place[:2]):
            together = other.first <= room.until and room.first <= other.until
            if together and begin < at + size and at < end:
                at = end
        placed.append((at, at + size, room))
        places |= {id(buffer): at for buffer in room.buffers}
    return places, max(end for _, end, _ in placed)


@dataclass
class _Room:
    """Buffers that take the same place one after the other, from one step to another."""

    buffers: list[Buffer]
    first: int
    until: int


def _lives(steps: Sequence[Step], result: Region) -> list[_Room]:
    lives: dict[int, _Room] = {}
    for number, step in enumerate(steps):
        for region in (step.writes, *step.reads):
            life = lives.setdefault(id(region.buffer), _Room([region.buffer], number, number))
            life.until = number
    lives[id(result.buffer)].until = len(steps)
    return list(lives.values())


def _rooms(lives: list[_Room], end: int) -> list[_Room]:
    """Return what shares memory: buffers with a border keep theirs from beginning to end."""
    found = [life for life in lives if not any(life.buffers[0].border)]
    framed: dict[tuple[Sides, int, tuple[int, ...]], list[_Room]] = {}
    for life in lives:
        (buffer,) = life.buffers
        if not any(buffer.border):
            continue
        alike = framed.setdefault((buffer.shape, buffer.pixel, tuple(buffer.border)), [])
        # Lives are in the order in which they begin.
        free = next((room for room in alike if room.until < life.first), None)
        if free is None:
            alike.append(life)
        else:
            free.buffers.append(buffer)
            free.until = life.until
    found += [_Room(room.buffers, 0, end) for alike in framed.values() for room in alike]
    return found


# Numbers of a cache line.
GRAIN = 16
