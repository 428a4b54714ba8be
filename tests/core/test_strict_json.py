"""What is no JSON is refused with the reason, whatever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.strict_json import MAX_DEPTH, parse

DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(DOCUMENTS)
def test_documents_come_back(document: Any) -> None:
    text = json.dumps(document)
    assert parse(text) == parse(text.encode()) == document


@given(st.binary(max_size=50) | st.text(max_size=50))
def test_anything_else_is_refused(data: bytes | str) -> None:
    try:
        document = parse(data)
    except InvalidInput:
        return
    assert document == json.loads(data)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"\xff", "no UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ("", "line 1, column 1"),
        ("[NaN]", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ('["\\ud800"]', "surrogate"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"\\uDfff": 1}', "surrogate"),
        ('["\ud800"]', "surrogate"),
        (b"[1e999]", "too large"),
        ("9" * 5000, "thousands of digits"),
        ("[1e999]", "too large"),
        ('{"a": -1e999}', "too large"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
    ],
)
def test_reasons(data: bytes | str, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        parse(data)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_the_depth_that_is_allowed(opening: str, closing: str) -> None:
    inner = "1"
    parse(opening * MAX_DEPTH + inner + closing * MAX_DEPTH)
    with pytest.raises(InvalidInput, match=f"beyond {MAX_DEPTH} levels"):
        parse(opening * (MAX_DEPTH + 1) + inner + closing * (MAX_DEPTH + 1))
    # Beside something flat, too.
    with pytest.raises(InvalidInput, match="nested too deeply"):
        parse(f"[[1], {opening * MAX_DEPTH}{inner}{closing * MAX_DEPTH}]")
