from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data import DataOptions, Limits, Room, inspect, load
from core.nets.data.words import PADDING, UNKNOWN, encode, split, vocabulary

TEXTS = st.lists(
    st.text("ab cd,!é\n\"'", min_size=1, max_size=30).filter(lambda text: text.strip()),
    min_size=2,
    max_size=10,
)


@given(texts=TEXTS, words=st.none() | st.integers(1, 12), most=st.integers(1, 6))
@settings(max_examples=120)
def test_what_is_written_is_read(make: Any, texts: list[str], words: int | None, most: int) -> None:
    labels = ["good", "bad"] + [random.choice(["good", "bad"]) for _ in texts[2:]]
    content = make.table(["text", "label"], zip(texts, labels, strict=True))
    options = DataOptions(words=words, vocabulary=most)
    found = load(content, options)
    assert found.info == inspect(content, options)
    assert found.classes == ("bad", "good")
    x, y = found.batch(range(len(texts)))
    assert [("bad", "good")[label] for label in y] == labels
    known = found.info.about["vocabulary"]
    counts = Counter(word for text in texts for word in split(text))
    assert len(known) == 2 + min(most, len(counts))
    left_out = set(counts) - set(known[2:])
    assert all(counts[a] >= counts[b] for a in known[2:] for b in left_out)
    for row, text in zip(x, texts, strict=True):
        expected = split(text)[: x.shape[1]]
        for place, number in enumerate(row):
            if place >= len(expected):
                assert number == PADDING
            elif expected[place] in left_out:
                assert number == UNKNOWN
            else:
                assert known[number] == expected[place]
    assert x.shape[1] == (words or max(len(split(text)) for text in texts))


@given(texts=TEXTS, seed=st.integers(0, 99))
@settings(max_examples=60)
def test_the_vocabulary_does_not_depend_on_the_order(texts: list[str], seed: int) -> None:
    shuffled = random.Random(seed).sample(texts, len(texts))
    known = [
        vocabulary(Counter(word for text in some for word in split(text)), 5)
        for some in (texts, shuffled)
    ]
    assert known[0] == known[1]


def test_the_special_words_are_not_found_in_texts() -> None:
    known = (*vocabulary({"a": 1}, 9), "unknown")
    assert encode(["<unknown> a"], known, 4).tolist() == [[1, 3, 1, 2]]


def test_numbers_to_learn(make: Any) -> None:
    found = load(make.table(["stars", "text"], [(4.5, "fine film"), (1, "dull")]))
    assert found.info.target == (1,)
    assert found.batch([1, 0])[1].tolist() == [[1.0], [4.5]]


def test_a_byte_order_mark_and_other_ends_of_lines() -> None:
    found = load(b"\xef\xbb\xbftext,label\r\none,a\r\n\r\ntwo,b\r\n")
    assert (len(found), found.classes, found.dtype) == (2, ("a", "b"), np.int32)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"text,label\ngood,1\n  ,0\n", "without words.*row 2"),
        (b"text\ngood\nbad\n", "texts need something to learn"),
        (b"text,label\n", "no lines"),
        (b"text,label\na,b,c\n", "line 2 of the table has 3 fields"),
        (b"text,label\na,b\nc\n", "line 3 of the table has 1 fields"),
    ],
)
def test_refusals(content: bytes, match: str) -> None:
    for read in (inspect, load):
        with pytest.raises(InvalidInput, match=match):
            read(content)


def test_limits() -> None:
    content = b"text,label\n" + b"a " * 500 + b",1\nb,2\n"
    with pytest.raises(TooLarge, match=r"data\.words: .*2 texts of 500 words"):
        load(content, room=Room(memory=1000))
    assert load(content, DataOptions(words=9), room=Room(memory=1000)).shape == (9,)
    with pytest.raises(TooLarge, match="table of texts is too large"):
        load(content, limits=Limits(text=1000))
    with pytest.raises(UnsupportedMedia, match="not UTF-8"):
        load(b"text,label\n\xff,1\n")
    with pytest.raises(InvalidInput, match="reconstruct"):
        load(content, DataOptions(reconstruct=True))
