"""One suite for both clients: the asynchronous one is driven step by step as if it blocked."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

from convq.client import AsyncClient, Client, asynchronous, blocking, watching


class Blocking:
    """An `AsyncClient` whose coroutines and asynchronous iterators are run to their end."""

    def __init__(self, client: AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            if inspect.isasyncgen(answer):
                return self._iterate(answer)
            return self._loop.run_until_complete(answer)

        return call

    def _iterate(self, items: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._loop.run_until_complete(anext(items))
                except StopAsyncIteration:
                    return
        finally:
            self._loop.run_until_complete(items.aclose())


@pytest.fixture(params=["Client", "AsyncClient"])
def convq_client(request: pytest.FixtureRequest, service: Any) -> Iterator[Any]:
    transport = httpx.MockTransport(service)
    if request.param == "Client":
        with Client("http://convq.test", transport=transport) as client:
            yield client
        return
    with asyncio.Runner() as runner:
        client = AsyncClient("http://convq.test", transport=transport)
        yield Blocking(client, runner.get_loop())
        runner.run(client.close())


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let no time pass in pauses, but on the clock that the client looks at; note the pauses."""
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)

    async def anap(seconds: float) -> None:
        nap(seconds)

    # In these modules only: servers of other tests run in threads of this process, and an event
    # loop whose clock jumps back once sleeps for hours.
    monkeypatch.setattr(blocking, "time", _but(time, sleep=nap))
    monkeypatch.setattr(asynchronous, "asyncio", _but(asyncio, sleep=anap))
    monkeypatch.setattr(watching, "time", _but(time, monotonic=lambda: sum(naps)))
    return naps


def _but(module: ModuleType, **changed: Any) -> SimpleNamespace:
    return SimpleNamespace(**(vars(module) | changed))
