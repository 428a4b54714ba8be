"""Tables of calls: every call once, whoever calls, and after a fork too."""

import multiprocessing
import threading
import time
from functools import partial

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from core.conv.codegen import calls
from core.conv.codegen.emit import Emitter
from core.conv.codegen.library import load
from core.conv.codegen.target import host

PARAMETERS = ("pointer", "integer")


def write_adding(target) -> str:
    code = Emitter(target, "adding", PARAMETERS)
    number, summand = code.arguments
    code.store(code.add(code.load(number, "int64", 1), code.splat(summand, 1)), number)
    return code.finish()


def adding(numbers: np.ndarray) -> np.ndarray:
    """A table that adds 1 to the first number, 2 to the second..."""
    kernel = load(partial(write_adding, host()), "adding", PARAMETERS)
    return calls.table(
        (kernel, (numbers.ctypes.data + 8 * place, place + 1)) for place in range(len(numbers))
    )


@pytest.fixture(params=[1, 2, 5])
def crew(request, monkeypatch) -> None:
    """So many cores, whatever there are."""
    monkeypatch.setattr(calls, "cores", lambda: request.param)
    calls._crew.cache_clear()
    yield
    calls._crew.cache_clear()


@pytest.mark.usefixtures("crew")
def test_every_call_is_made_once() -> None:
    turns = 3000
    numbers = np.zeros(40, np.int64)
    table = adding(numbers)
    for turn in range(turns):
        calls.run(table[: turn % (len(table) + 1)])
    times = [sum(turn % (len(table) + 1) > place for turn in range(turns)) for place in range(40)]
    np.testing.assert_array_equal(numbers, np.arange(1, 41) * times)


@pytest.mark.usefixtures("crew")
def test_helpers_that_fell_asleep_are_woken_and_found_awake() -> None:
    numbers = np.zeros(64, np.int64)
    table = adding(numbers)
    for turn in range(200):
        calls.run(table)
        # About as long as a helper looks for work before it sleeps.
        time.sleep(turn % 5 * 1e-4)
    np.testing.assert_array_equal(numbers, 200 * np.arange(1, 65))


@pytest.mark.usefixtures("crew")
def test_many_threads_call_at_once() -> None:
    found = []

    def work() -> None:
        numbers = np.zeros(16, np.int64)
        table = adding(numbers)
        for _ in range(500):
            calls.run(table)
        found.append(numbers)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, [500 * np.arange(1, 17)] * 4)


def test_an_empty_table_is_no_work() -> None:
    calls.run(calls.table([]))


def in_a_child(queue: "multiprocessing.SimpleQueue[list[int]]") -> None:
    numbers = np.zeros(8, np.int64)
    calls.run(adding(numbers))
    queue.put(numbers.tolist())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_helpers_of_its_own() -> None:
    # A table holds addresses: what lies there must outlive it.
    numbers = np.zeros(8, np.int64)
    calls.run(adding(numbers))
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=in_a_child, args=(queue,))
    child.start()
    assert queue.get() == list(range(1, 9))
    child.join()
