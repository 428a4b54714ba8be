from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.conditional import matches, requested_range
from api.errors import RangeNotSatisfiable

TAG = '"tag"'


@given(size=st.integers(0, 20), first=st.integers(0, 25), last=st.integers(0, 25))
def test_ranges_by_enumeration(size: int, first: int, last: int) -> None:
    asked = [place for place in range(size) if first <= place <= last]
    try:
        found = requested_range(f"bytes={first}-{last}", None, TAG, size)
    except RangeNotSatisfiable:
        assert first <= last
        assert not asked
    else:
        assert (found is None) == (last < first)
        assert found is None or list(range(*found)) == asked


@given(size=st.integers(0, 20), length=st.integers(0, 25))
def test_suffixes_by_slicing(size: int, length: int) -> None:
    places = list(range(size))
    expected = places[max(0, size - length) :]
    try:
        found = requested_range(f"bytes=-{length}", TAG, TAG, size)
    except RangeNotSatisfiable:
        assert not expected
    else:
        assert found is not None
        assert places[slice(*found)] == expected


@given(st.text(max_size=40))
def test_any_header_has_an_answer(text: str) -> None:
    assert matches(text, TAG) in (True, False)
    try:
        found = requested_range(text, None, TAG, 10)
    except RangeNotSatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= 10
