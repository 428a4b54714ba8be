"""Data on their way to a device and back: in order, beside each other, and held until then."""

import gc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv.cuda.transfers import Transfers, with_enough_memory
from core.errors import TooLarge
from tests.core.conv.cuda import streams

random = np.random.default_rng(0)


@pytest.fixture
def ferry(cupy):
    """Transfers to a device that nobody has used; in the end nothing was freed too early."""
    streams.reset()
    yield Transfers(cupy)
    assert streams.MEMORY.freed_early == []
    streams.reset()


def squares(x, y):
    """Return what takes memory in between that is free again at once."""
    return {"sum": (x * x + y)[::-1], "parts": (x * 2, [y.T, "text"])}


def check(found, x, y) -> None:
    np.testing.assert_array_equal(found["sum"], (x * x + y)[::-1])
    np.testing.assert_array_equal(found["parts"][0], x * 2)
    np.testing.assert_array_equal(found["parts"][1][0], y.T)
    assert found["parts"][1][1] == "text"
    assert all(type(a) is np.ndarray for a in (found["sum"], found["parts"][0]))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_begun_first_each_gets_its_own_result(ferry, data) -> None:
    waiting = []
    for _ in range(data.draw(st.integers(1, 6))):
        shape = data.draw(st.sampled_from([(3, 4), (5, 1), (1, 7)]))
        dtype = data.draw(st.sampled_from(["float32", "int64", "complex64"]))
        x, y = (random.integers(0, 99, shape).astype(dtype) for _ in range(2))
        expected = x.copy(), y.copy()
        waiting.append((ferry.begin(squares, x, y[:, ::-1]), expected))
        # What was handed over may be changed at once.
        x[:], y[:] = 0, 0
        while waiting and data.draw(st.booleans()):
            end(waiting, data)
    while waiting:
        end(waiting, data)


def end(waiting, data) -> None:
    pending, (x, y) = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
    check(pending.result(), x, y[:, ::-1])
    assert pending.seconds() >= 0


def test_work_that_fails_leaves_nothing_on_its_way(ferry) -> None:
    x = random.random((4, 5))

    def fail(a):
        a *= 2
        raise ZeroDivisionError

    first = ferry.begin(squares, x, x)
    with pytest.raises(ZeroDivisionError):
        ferry.begin(fail, x)
    check(first.result(), x, x)


def test_memory_of_results_that_nobody_asks_for_is_free_with_the_next_work(ferry) -> None:
    x = random.random((64, 64))
    for _ in range(5):
        abandoned = ferry.begin(squares, x, x)
        streams.STREAMS[abandoned._spans[-1].end.stream.name].run()
    ferry.begin(squares, x, x).result()
    gc.collect()
    assert streams.MEMORY.live < 20 * x.nbytes


BROKEN = {
    "computation does not wait for the copy": (streams.Stream, "wait_event"),
    "the host does not wait for the result": (streams.Event, "synchronize"),
    "copies come from the stream that computes": (streams.Stream, "__enter__"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_the_stand_in_notices(ferry, monkeypatch, what) -> None:
    kind, name = BROKEN[what]
    monkeypatch.setattr(kind, name, lambda self, *_: streams.CURRENT.append(streams.CURRENT[-1]))
    monkeypatch.setattr(streams.Stream, "__exit__", lambda *_: None)
    x = random.random((4, 5))

    def all_of_them() -> None:
        for pending in [ferry.begin(squares, x, x) for _ in range(3)]:
            check(pending.result(), x, x)

    with pytest.raises(AssertionError):
        all_of_them()


def test_the_stand_in_notices_memory_that_is_let_go(ferry) -> None:
    x = random.random((4, 5))
    pending = ferry.begin(squares, x, x)
    pending.release()
    gc.collect()
    assert streams.MEMORY.freed_early
    streams.MEMORY.freed_early.clear()
    with pytest.raises(AssertionError):
        check(pending.result(), x, x)


@pytest.mark.parametrize("room", range(6))
def test_what_does_not_fit_says_what_it_needs_and_leaves_the_device_as_it_was(
    ferry, cupy, room
) -> None:
    x = random.random((16, 16))
    tried = []

    def begin():
        tried.append(1)
        return ferry.begin(squares, x, x)

    before = streams.MEMORY.live
    cupy.get_default_memory_pool().set_limit(size=room * x.nbytes)
    with pytest.raises(TooLarge) as refused:
        with_enough_memory(begin, cupy, 7000)
    assert len(tried) == 2
    assert refused.value.accepted == "7000 bytes"
    assert "bytes free of" in refused.value.given
    gc.collect()
    assert streams.MEMORY.live == before


def test_what_is_still_on_its_way_makes_room_for_what_does_not_fit_beside_it(ferry, cupy) -> None:
    x = random.random((16, 16))
    cupy.get_default_memory_pool().set_limit(size=9 * x.nbytes)
    # Each takes seven arrays at its peak, and five until its result is there.
    waiting = [with_enough_memory(lambda: ferry.begin(squares, x, x), cupy, 7000) for _ in range(3)]
    for pending in waiting:
        check(pending.result(), x, x)


@pytest.mark.parametrize(("status", "error"), [(2, TooLarge), (700, streams.CUDARuntimeError)])
def test_memory_that_cannot_be_pinned_is_no_failure_of_the_device(
    ferry, cupy, monkeypatch, status, error
) -> None:
    def no_more(_: int) -> None:
        raise streams.CUDARuntimeError(status)

    monkeypatch.setattr(cupy.cuda, "alloc_pinned_memory", no_more)
    x = random.random((3, 3))
    with pytest.raises(error):
        ferry.begin(squares, x, x)
