"""Texts as rows of numbers: words, a vocabulary, and the place of each word in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

PADDING: Final = 0
"""The number that fills the end of a short text."""

UNKNOWN: Final = 1
"""The number of every word that the vocabulary lacks."""

_SPECIAL: Final = ("<padding>", "<unknown>")
_WORD: Final = re.compile(r"\w+|[^\w\s]")


def split(text: str) -> list[str]:
    """Return the words and the punctuation marks of a text, in lower case.

    Examples
    --------
    >>> split("It's good!")
    ['it', "'", 's', 'good', '!']
    """
    return _WORD.findall(text.lower())


def vocabulary(counts: Mapping[str, int], most: int) -> tuple[str, ...]:
    """Return the words that occur most often, those first that occur oftener.

    Words that occur equally often are in the order of their letters, so the same texts always
    give the same vocabulary.

    Parameters
    ----------
    counts : mapping of str to int
        How often each word occurs.
    most : int
        How many words at most.

    Returns
    -------
    tuple of str
        A word's place is its number; the first two stand for the end of a short text and for
        unknown words.

    Examples
    --------
    >>> vocabulary({"a": 1, "b": 2, "c": 1}, 2)
    ('<padding>', '<unknown>', 'b', 'a')
    """
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return (*_SPECIAL, *ordered[:most])


def encode(texts: Sequence[str], known: Sequence[str], length: int) -> NDArray[np.int32]:
    """Return texts as the numbers of their words.

    Parameters
    ----------
    texts : sequence of str
        What is longer than ``length`` words is cut.
    known : sequence of str
        As `vocabulary` returns it.
    length : int
        Words of each text; short ones are filled with ``PADDING``.

    Returns
    -------
    ndarray of int32, shape (len(texts), length)

    Examples
    --------
    >>> encode(["Good film", "x"], ("<padding>", "<unknown>", "film", "good"), 3).tolist()
    [[3, 2, 0], [1, 0, 0]]
    """
    number = {word: place for place, word in enumerate(known) if place > UNKNOWN}
    encoded = np.full((len(texts), length), PADDING, np.int32)
    for row, text in zip(encoded, texts, strict=True):
        for place, word in enumerate(split(text)[:length]):
            row[place] = number.get(word, UNKNOWN)
    return encoded
