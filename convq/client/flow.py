"""How the client's logic is written once and runs both blocking and async.

A *flow* is a generator that yields the effects it needs (send this request, sleep so long) and
is sent back their outcome. ``Client`` and ``AsyncClient`` each perform the effects in their own
way and share every decision: what to ask, when to try again, how to read the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

import httpx

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)

OnSent: TypeAlias = Callable[[int], None]
"""Told how many bytes of a body have been handed to the connection so far."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, described.

    Attributes
    ----------
    method, path : str
        For example ``"GET"`` and ``"/v1/jobs"``.
    params, headers : mapping of str to str
        Query and headers.
    json : object
        A JSON body.
    chunks : callable
        Starts a streamed body from its beginning, so that it can be sent again.
    repeatable : bool
        Whether sending it twice has the same effect as sending it once.
    timeout : float
        Longest silence of the service in seconds; ``None`` takes the client's own.
    on_sent : callable
        Told the bytes of the body sent so far.
    """

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    chunks: Callable[[], Iterator[bytes]] | None = None
    repeatable: bool = True
    timeout: float | None = None
    on_sent: OnSent | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is read piece by piece."""

    response: httpx.Response
    chunks: Iterator[bytes] | AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request and read the whole answer: an ``httpx.Response``."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send the request and read only the head of the answer: a `Stream`."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Read the next piece of the body: ``bytes``, empty at the end."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Close:
    """Let go of the connection of a stream."""

    stream: Stream


@dataclass(frozen=True, slots=True)
class Sleep:
    """Let some seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Run a function that may take long, without HTTP: hashing, reading or writing a file."""

    function: Callable[[], Any]


Effect: TypeAlias = Send | Open | Read | Close | Sleep | Work
Flow: TypeAlias = Generator[Effect, Any, T]


class Feed(Protocol[Item]):
    """Items that come one after another, each by a flow; ``None`` is the end."""

    def next(self) -> Flow[Item | None]:
        """Return the next item."""
        ...

    def close(self) -> Flow[None]:
        """Let go of what the iteration holds."""
        ...


# `yield` loses the type of what comes back; these give it a type.


def send(request: Request) -> Flow[httpx.Response]:
    """Send a request."""
    response: httpx.Response = yield Send(request)
    return response


def open_stream(request: Request) -> Flow[Stream]:
    """Send a request and stream its answer."""
    stream: Stream = yield Open(request)
    return stream


def read(stream: Stream) -> Flow[bytes]:
    """Read the next piece of a stream."""
    chunk: bytes = yield Read(stream)
    return chunk


def close(stream: Stream) -> Flow[None]:
    """Let go of a stream's connection."""
    yield Close(stream)


def sleep(seconds: float) -> Flow[None]:
    """Let some seconds pass."""
    yield Sleep(seconds)


def work(function: Callable[[], T]) -> Flow[T]:
    """Run a function that may take long."""
    value: T = yield Work(function)
    return value
