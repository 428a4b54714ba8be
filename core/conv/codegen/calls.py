"""Calls of kernels on all cores, without Python in between.

To wake a thread takes about 0.1 ms, and two threads that run Python hand its lock to and fro: more
than a small convolution takes by itself. So the calls of one convolution are written into a table,
and each core takes one row after the other. The threads that help wait for the next table in
machine code, where they need no lock, and fall asleep only after a while in which none came.

One caller has all helpers at a time; another who comes meanwhile does its calls alone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from core.conv.blocks import cores
from core.conv.codegen.calls_source import (
    ASLEEP,
    DONE,
    HELPER,
    HELPERS,
    PARAMETERS,
    ROW,
    SLEEPY,
    source,
)
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import host

Call = tuple[Kernel, Sequence[int]]
"""A kernel and its arguments."""

# How often a helper looks for a table before it sleeps, and a caller for its helpers' end before
# it lets others have the core: about 0.2 and 0.03 ms.
_HELPERS_LOOKS, _CALLERS_LOOKS = 10_000, 2_000


def table(calls: Iterable[Call]) -> NDArray[np.int64]:
    """Return calls as `run` takes them: a row each, the kernel's address and its arguments."""
    rows = [
        (kernel.address, *arguments, *(0,) * (ROW - 1 - len(arguments)))
        for kernel, arguments in calls
    ]
    return np.array(rows, np.int64).reshape(-1, ROW)


def run(table: NDArray[np.int64]) -> None:
    """Make all calls of a table, in any order and several at a time; return when all returned.

    Parameters
    ----------
    table : array of shape ``(calls, ROW)``
        No call writes what another reads or writes.

    Examples
    --------
    >>> from core.conv.codegen.emit import Emitter
    >>> def fill(target):
    ...     code = Emitter(target, "fill", ("pointer", "integer"))
    ...     code.store(code.splat(code.arguments[1], 1), code.arguments[0])
    ...     return code.finish()
    >>> kernel = load(partial(fill, host()), "fill", ("pointer", "integer"))
    >>> numbers = np.zeros(3, np.int64)
    >>> run(table((kernel, (numbers[i:].ctypes.data, i * i)) for i in range(3)))
    >>> numbers
    array([0, 1, 4])
    """
    if len(table) > 1 and cores() > 1 and _crew().run(table.ctypes.data, len(table)):
        return
    run_alone(table)


def run_alone(table: NDArray[np.int64]) -> None:
    """Make all calls of a table on this thread."""
    if len(table):
        _function("alone")(table.ctypes.data, len(table))


class _Crew:
    """The helping threads, and the memory through which they hear of tables."""

    def __init__(self, helpers: int) -> None:
        self._state: NDArray[np.int64] = np.zeros(HELPERS + helpers * HELPER, np.int64)
        self._address = self._state.ctypes.data
        self._free = threading.Lock()
        self._ticket = 0
        self._alarms = [threading.Semaphore(0) for _ in range(helpers)]
        for number in range(helpers):
            threading.Thread(
                target=self._help, args=(number,), name=f"convq-calls-{number}", daemon=True
            ).start()

    def run(self, table: int, rows: int) -> bool:
        """Make the calls with all helpers; False if somebody else has them."""
        if not self._free.acquire(blocking=False):
            return False
        try:
            self._ticket += 1
            helpers = len(self._alarms)
            _function("offer")(self._address, table, rows, self._ticket, helpers, _CALLERS_LOOKS)
            if self._state[SLEEPY]:
                self._wake()
                _function("work")(self._address, _CALLERS_LOOKS)
            while not self._state[DONE]:
                # A helper is at its last row, on a core that it has to share.
                os.sched_yield()
                _function("wait")(self._address, _CALLERS_LOOKS)
        finally:
            self._free.release()
        return True

    def _wake(self) -> None:
        for number, alarm in enumerate(self._alarms):
            place = HELPERS + number * HELPER + ASLEEP
            if self._state[place]:
                self._state[place] = 0
                alarm.release()

    def _help(self, number: int) -> None:
        own = self._address + 8 * (HELPERS + number * HELPER)
        serve = _function("serve")
        while True:
            serve(self._address, own, _HELPERS_LOOKS)
            self._alarms[number].acquire()


@cache
def _crew() -> _Crew:
    return _Crew(cores() - 1)


@cache
def _function(name: str) -> Kernel:
    return load(partial(source, host()), name, PARAMETERS[name])


# Threads do not survive a fork: a child starts its own.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_crew.cache_clear)
