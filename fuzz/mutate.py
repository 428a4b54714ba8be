"""Breaking bytes: each function takes a valid file and returns one that is probably not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

# Lengths, counts and offsets go wrong at their ends.
_NUMBERS: Final = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 1 << 24, 1 << 31, -1, -2)
# Where formats have their structure: at the beginning, and archives at the end.
_HEAD: Final = 160
_MOST_STEPS: Final = 4

Mutation = Callable[[bytearray, Random, Sequence[bytes]], None]


def flip(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Flip one bit."""
    data[_place(data, random)] ^= 1 << random.randrange(8)


def overwrite(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Set one byte."""
    data[_place(data, random)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))


def number(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Put a number that is an end of some range where a length may stand."""
    width = random.choice((1, 2, 4, 8))
    at = _place(data, random)
    value = random.choice(_NUMBERS) % (1 << 8 * width)
    data[at : at + width] = value.to_bytes(width, random.choice(("little", "big")))


def cut(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Lose the end."""
    del data[_place(data, random) :]


def drop(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Lose a piece."""
    at = _place(data, random)
    del data[at : at + random.randint(1, 64)]


def repeat(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Say a piece twice."""
    at = _place(data, random)
    data[at:at] = data[at : at + random.randint(1, 256)]


def insert(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Put random bytes in between."""
    at = _place(data, random)
    data[at:at] = random.randbytes(random.randint(1, 16))


def splice(data: bytearray, random: Random, others: Sequence[bytes]) -> None:
    """Go on as another file does."""
    other = random.choice(others)
    data[_place(data, random) :] = other[random.randrange(len(other)) :]


def rewrite(data: bytearray, random: Random, _others: Sequence[bytes]) -> None:
    """Keep the beginning, and put noise behind it."""
    keep = random.randint(0, min(len(data), 64))
    data[keep:] = random.randbytes(random.randint(0, 300))


MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip,
    overwrite,
    number,
    cut,
    drop,
    repeat,
    insert,
    splice,
    rewrite,
)
# Small changes get past the first check more often.
_WEIGHTS: Final = (8, 8, 8, 1, 2, 2, 2, 2, 1)


def mutated(sample: bytes, random: Random, others: Sequence[bytes]) -> bytes:
    """Return ``sample`` after some mutations.

    Parameters
    ----------
    sample : bytes
        A valid file.
    random : Random
        Decides everything, so that the same state gives the same bytes.
    others : sequence of bytes
        Files to splice with.

    Examples
    --------
    >>> mutated(b"abcdef", Random(1), [b"abcdef"]) == mutated(b"abcdef", Random(1), [b"abcdef"])
    True
    """
    data = bytearray(sample)
    for mutation in random.choices(MUTATIONS, _WEIGHTS, k=random.randint(1, _MOST_STEPS)):
        if not data:
            break
        mutation(data, random, others)
    return bytes(data)


def _place(data: bytearray, random: Random) -> int:
    where = random.randrange(4)
    if where == 0:
        return random.randrange(min(len(data), _HEAD))
    if where == 1:
        return max(0, len(data) - 1 - random.randrange(_HEAD))
    return random.randrange(len(data))
