"""Streams and memory of the stand-in: copies happen as late as they may, and races are told.

Computation on the stand-in is done at once, on the stream that is current. A copy on another
stream is done only when somebody waits for it, and what it will write holds rubbish until then.
Besides, each stream has a vector clock (C. Fidge, "Timestamps in message-passing systems that
preserve the partial ordering", 1988): who uses memory without having waited for the stream that
used it before has a race, whatever came out. Memory is as CuPy's pool has it: it is another's of
the same stream as soon as nobody holds it.
"""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Callable

import numpy as np

Clock = dict[str, int]
HOST = "host"


class Race(AssertionError):
    """Memory is used by a stream that has not waited for the one that used it before."""


class OutOfMemoryError(MemoryError):
    """The device has no memory left."""


class CUDARuntimeError(RuntimeError):
    """What `cupy.cuda.runtime.CUDARuntimeError` is."""

    def __init__(self, status: int) -> None:
        super().__init__(f"error {status}")
        self.status = status


class Memory:
    """The arrays of the device: which stream used each one last, and how much there is."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.limit: int | None = None
        self.live = 0
        self.freed_early: list[str] = []
        # Whether there are several streams.
        self.watched = False
        self._used: dict[int, tuple[weakref.ref[np.ndarray], str, Clock]] = {}

    def set_limit(self, size: int) -> None:
        """Let arrays that are made from now on take at most ``size`` bytes."""
        self.limit = self.live + size

    def created(self, array: np.ndarray, stream: Stream) -> None:
        """Take note of an array, if it is the first one in its memory."""
        if not (self.watched or self.limit is not None):
            return
        root = root_of(array)
        if id(root) in self._used:
            return
        if self.limit is not None and self.live + root.nbytes > self.limit:
            raise OutOfMemoryError
        self.live += root.nbytes
        # It may have been another's of this stream until now.
        used = {stream.name: stream.clock.get(stream.name, 0)}
        gone = weakref.ref(root, self._on_gone(id(root), root.nbytes))
        self._used[id(root)] = (gone, stream.name, used)

    def touched(self, array: np.ndarray, stream: Stream) -> None:
        """Check that ``stream`` may use an array now."""
        if not self.watched:
            return
        self.created(array, stream)
        _, _, used = self._used[id(root_of(array))]
        for name, tick in used.items():
            if name != stream.name and stream.clock.get(name, 0) < tick:
                raise Race(f"stream {stream.name} has not waited for {name}")
        used.clear()
        used[stream.name] = stream.tick()

    def lent(self, host: np.ndarray, stream: Stream) -> None:
        """Take note that a copy on ``stream`` uses memory of the host."""
        root = root_of(host)
        if id(root) not in self._used:
            gone = weakref.ref(root, self._on_gone(id(root), 0))
            self._used[id(root)] = (gone, HOST, {})
        self._used[id(root)][2][stream.name] = stream.clock[stream.name]

    def _on_gone(self, key: int, size: int) -> Callable[[object], None]:
        def gone(_: object) -> None:
            if key not in self._used:  # of a device of before
                return
            _, owner, used = self._used.pop(key)
            self.live -= size
            clocks = [host_clock] if owner == HOST else [host_clock, STREAMS[owner].clock]
            for name, tick in used.items():
                known = max(clock.get(name, 0) for clock in clocks)
                if name != owner and known < tick:
                    self.freed_early.append(f"memory of {owner} that {name} still uses")

        return gone


class Stream:
    """What `cupy.cuda.Stream` offers."""

    def __init__(self, null: bool = False, non_blocking: bool = False) -> None:
        assert null or non_blocking, "the default stream would wait for this one"
        self.name = "default" if null else f"stream {len(STREAMS)}"
        self.clock: Clock = {}
        self.is_eager = null
        self._queue: deque[tuple[int, Callable[[], None]]] = deque()
        STREAMS[self.name] = self
        MEMORY.watched = MEMORY.watched or not null

    @property
    def ptr(self) -> int:
        """An address."""
        return id(self)

    def __enter__(self) -> Stream:
        CURRENT.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert CURRENT.pop() is self

    def tick(self) -> int:
        """Begin the next operation, which knows what the host knows; return its number."""
        merge(self.clock, host_clock)
        self.clock[self.name] = self.clock.get(self.name, 0) + 1
        return self.clock[self.name]

    def later(self, operation: Callable[[], None]) -> None:
        """Do something in this stream's order, as late as may be."""
        self._queue.append((self.clock.get(self.name, 0), operation))
        if self.is_eager:
            self.run()

    def run(self, until: int | None = None) -> None:
        """Do what is to be done up to an operation's number."""
        while self._queue and (until is None or self._queue[0][0] <= until):
            _, operation = self._queue.popleft()
            operation()

    def wait_event(self, event: Event) -> None:
        """Let what comes next in this stream happen after an event of another."""
        assert event.stream is not None
        stream, tick = event.stream, event.number
        merge(self.clock, event.clock)
        self.tick()
        self.later(lambda: stream.run(tick))

    def synchronize(self) -> None:
        """Let the host wait for everything."""
        self.run()
        merge(host_clock, self.clock)


class Event:
    """What `cupy.cuda.Event` offers; its time is that of the host."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.clock: Clock = {}
        self.number = 0
        self.seconds = 0.0
        self._happened = False

    def record(self, stream: Stream | None = None) -> None:
        """Stand for all that the stream has been given so far."""
        self.stream = stream or CURRENT[-1]
        self.number = self.stream.tick()
        self.clock = dict(self.stream.clock)
        self._happened = False
        self.stream.later(self._happens)

    def _happens(self) -> None:
        self._happened, self.seconds = True, time.perf_counter()

    @property
    def done(self) -> bool:
        """Whether it has happened: who asked knows it then."""
        if self._happened:
            merge(host_clock, self.clock)
        return self._happened

    def synchronize(self) -> None:
        """Let the host wait for it."""
        assert self.stream is not None
        self.stream.run(self.number)
        merge(host_clock, self.clock)


def copy_later(target: np.ndarray, source: np.ndarray, host: np.ndarray, stream: Stream) -> None:
    """Copy on a stream; both arrays have to be there until then, and are not held for it.

    ``host`` is the one of the two that lies on the host.
    """
    stream.tick()
    MEMORY.lent(host, stream)
    _bytes(root_of(target))[_place(target)].fill(0xA5)
    ends = weakref.ref(root_of(target)), weakref.ref(root_of(source))
    places = [_place(array) for array in (target, source)]

    def copy() -> None:
        into, out_of = (end() for end in ends)
        if into is None:
            return
        there = _bytes(into)[places[0]]
        if out_of is None:
            there.fill(0x5A)
        else:
            there[:] = _bytes(out_of)[places[1]]

    stream.later(copy)


def _place(array: np.ndarray) -> slice:
    # Views hold the memory, so where they are is all that is kept of them.
    assert array.flags.c_contiguous
    start = array.ctypes.data - root_of(array).ctypes.data
    return slice(start, start + array.nbytes)


def _bytes(root: np.ndarray) -> np.ndarray:
    return root.ravel(order="K").view(np.uint8)


def root_of(array: np.ndarray) -> np.ndarray:
    """Return the array that has the memory."""
    base = array.base
    # Of a view by strides it is no array, but has one.
    base = base if isinstance(base, np.ndarray) else getattr(base, "base", None)
    return root_of(base) if isinstance(base, np.ndarray) else array


def merge(clock: Clock, other: Clock) -> None:
    """Let one clock know what the other knows."""
    for name, tick in other.items():
        clock[name] = max(clock.get(name, 0), tick)


def reset() -> None:
    """Begin with a device that nobody has used."""
    STREAMS.clear()
    host_clock.clear()
    CURRENT[:] = [Stream(null=True)]
    MEMORY.reset()


STREAMS: dict[str, Stream] = {}
CURRENT: list[Stream] = []
host_clock: Clock = {}
MEMORY = Memory()
reset()
