"""Where arrays lie that do not all exist at the same time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from core.conv.codegen.memory import LINE_BYTES

KeyT = TypeVar("KeyT", bound=Hashable)

# Arrays whose sizes are powers of two would lie powers of two apart, and what is written to one
# would look to the processor like what is read from the other.
_APART = 17 * LINE_BYTES


@dataclass
class Span:
    """An array of so many bytes, from when it is first written to until it is last read."""

    size: int
    first: int
    last: int


def places(spans: Mapping[KeyT, Span]) -> tuple[dict[KeyT, int], int]:
    """Return how many bytes after the beginning each array lies, and how many bytes all take.

    Those that exist at the same time lie apart; the largest are placed first, each as far in front
    as it can be (M. Sekiyama et al., "Profile-guided memory optimization for deep neural
    networks", 2018).

    Examples
    --------
    >>> places({"a": Span(5000, 0, 1), "b": Span(3000, 1, 2), "c": Span(4000, 2, 3)})
    ({'a': 0, 'c': 0, 'b': 6144}, 10240)
    """
    found: dict[KeyT, int] = {}
    ends: dict[KeyT, int] = {}
    for key, span in sorted(spans.items(), key=lambda item: -item[1].size):
        size = -(-span.size // LINE_BYTES) * LINE_BYTES + _APART
        beside = sorted(
            (start, ends[other])
            for other, start in found.items()
            if spans[other].first <= span.last and span.first <= spans[other].last
        )
        place = 0
        for start, end in beside:
            if place + size <= start:
                break
            place = max(place, end)
        found[key], ends[key] = place, place + size
    return found, max(ends.values(), default=0)
