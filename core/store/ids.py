"""Job ids: short, unique, and in order of their creation."""

from __future__ import annotations

import secrets
import time
from threading import Lock

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_TIME_BITS, _RANDOM_BITS = 48, 52
_LENGTH = (_TIME_BITS + _RANDOM_BITS) // 5
_LOCK = Lock()
_last = 0


def new_id() -> str:
    """Return a new id of 20 characters.

    It is greater than all that this process made before, and than those that others made a
    millisecond earlier.

    48 bits of milliseconds and 52 random bits in base 32 (the layout of ULID, shortened).
    Lexicographic order is the order of creation, so a page of jobs is a range of ids.

    Examples
    --------
    >>> len(new_id())
    20
    """
    global _last
    number = (time.time_ns() // 1_000_000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    with _LOCK:
        # Of the same millisecond, or of a clock that was set back.
        _last = number = max(number, _last + 1)
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in reversed(range(_LENGTH)))
