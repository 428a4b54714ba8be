"""What a job needs and what a worker offers agree with the bytes, to a ninth."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from core.needs import ANY, most, needed, offered

SIZES = st.integers(0, 1 << 45)


@given(SIZES, SIZES)
@example(1 << 28, 1 << 28)
@example(1 << 30, (1 << 30) - 1)
def test_nothing_goes_where_it_does_not_fit(job: int, worker: int) -> None:
    if needed(job) <= offered(worker):
        assert job <= worker or needed(job) == ANY
    elif job * 2 ** (1 / 8) <= worker:
        raise AssertionError("it fits, and is not let in")


@given(SIZES)
def test_a_class_is_the_first_that_holds_it(size: int) -> None:
    class_ = needed(size)
    assert size <= most(class_)
    assert class_ == ANY or size > most(class_ - 1)
