"""Arrays that exist at the same time lie apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.nets.program.memory import Span, places

SPANS = st.lists(
    st.builds(
        lambda size, first, length: Span(size, first, first + length),
        st.integers(1, 5000),
        st.integers(0, 9),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=12,
)


@given(SPANS)
def test_arrays_that_exist_at_the_same_time_lie_apart(spans) -> None:
    found, total = places(dict(enumerate(spans)))
    for a, first in enumerate(spans):
        assert found[a] % 64 == 0
        assert found[a] + first.size <= total
        for b, second in enumerate(spans[:a]):
            if first.first <= second.last and second.first <= first.last:
                low, high = sorted([a, b], key=found.__getitem__)
                assert found[low] + spans[low].size <= found[high]


@given(SPANS)
def test_no_more_memory_is_taken_than_without_sharing(spans) -> None:
    _, total = places(dict(enumerate(spans)))
    _, apart = places({n: Span(span.size, 0, 9) for n, span in enumerate(spans)})
    assert total <= apart
