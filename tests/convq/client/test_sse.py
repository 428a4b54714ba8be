from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convq.client.sse import Message, Parser

# No line ends within a field, no NUL in an id, and no BOM (a stream may start with one).
words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff"), max_size=8)
line_ends = st.sampled_from(["\n", "\r\n", "\r"])
messages = st.builds(
    Message,
    event=words.filter(bool),
    data=st.lists(words, min_size=1, max_size=3).map("\n".join),
    id=words,
)


def parse(stream: bytes, cuts: Sequence[int] = ()) -> list[Message]:
    parser = Parser()
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    found = []
    for start, end in pairwise(edges):
        found += parser.feed(stream[start:end])
    return found


@settings(max_examples=150)
@given(
    st.lists(messages, max_size=4),
    line_ends,
    st.lists(words, max_size=3),
    st.lists(st.integers(0, 1000), max_size=8),
    st.booleans(),
)
def test_events_survive_any_cut_line_end_and_comment(
    sent: list[Message], end: str, comments: list[str], cuts: list[int], space: bool
) -> None:
    colon = ": " if space else ":"
    lines = []
    for message in sent:
        lines += [f":{comment}" for comment in comments]
        fields = [("id", message.id), ("event", message.event)]
        fields += [("data", line) for line in message.data.split("\n")]
        # Without the optional space, a value that starts with one would lose it.
        lines += [
            f"{name}{': ' if value.startswith(' ') else colon}{value}" for name, value in fields
        ]
        lines.append("")
    stream = "".join(line + end for line in lines)
    assert parse(stream.encode(), cuts) == sent


@settings(max_examples=100)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_where_the_bytes_are_cut_never_matters(stream: bytes, cuts: list[int]) -> None:
    assert parse(stream, cuts) == parse(stream)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_cut_at_every_place(end: str) -> None:
    stream = f"id: 1{end}data: a{end}data: ä{end}{end}data: c{end}{end}".encode()
    expected = [Message("message", "a\nä", "1"), Message("message", "c", "1")]
    assert all(parse(stream, [cut]) == expected for cut in range(len(stream)))


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"\xef\xbb\xbfdata: a\n\n", [Message("message", "a", "")]),
        (b"data\n\n", [Message("message", "", "")]),
        (b"data: a\ndata:b\n\n", [Message("message", "a\nb", "")]),
        (b"data:  a\n\n", [Message("message", " a", "")]),
        # Without data there is no event, but its id counts.
        (b"id: 1\nevent: x\n\ndata: a\n\n", [Message("message", "a", "1")]),
        (
            b"id: 1\ndata: a\n\ndata: b\n\n",
            [Message("message", "a", "1"), Message("message", "b", "1")],
        ),
        (b"id: 1\0\ndata: a\n\n", [Message("message", "a", "")]),
        (
            b"id: 1\ndata: a\n\nid\ndata: b\n\n",
            [Message("message", "a", "1"), Message("message", "b", "")],
        ),
        (b"retry: 100\nnonsense: 3\ndata: a\n\n", [Message("message", "a", "")]),
        # An event that the end of the stream cuts off is none.
        (b"data: a\n", []),
        (b"data: a\r\r", [Message("message", "a", "")]),
    ],
)
def test_the_standard(stream: bytes, expected: list[Message]) -> None:
    assert parse(stream) == expected
