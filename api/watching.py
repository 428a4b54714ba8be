"""Waits for what happens to jobs, without a thread per waiter."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Any

import anyio
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from core.settings import Settings
from core.store.jobs import Event, JobStore, parse_event
from core.store.states import TERMINAL

_HEARTBEAT_SECONDS = 15.0
_BATCH = 200
_MOST_WAITERS = 1000


class Watching:
    """Reads the event streams of jobs as they grow.

    The Lua scripts write an event in the same transaction as the state that it tells of, so
    waiting for an event is waiting for the truth.

    Parameters
    ----------
    settings : Settings
        For the connection. Each waiter holds one connection, so their number is bounded.
    jobs : JobStore
        Names the streams.

    Attributes
    ----------
    waiting : int
        How many wait now.
    """

    def __init__(self, settings: Settings, jobs: JobStore) -> None:
        self._jobs = jobs
        # redis-py types every answer as possibly awaitable.
        self._redis: Any = redis.asyncio.Redis.from_url(
            settings.redis_url,
            decode_responses=True,
            socket_timeout=_HEARTBEAT_SECONDS + settings.redis_timeout,
            socket_connect_timeout=settings.redis_timeout,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,)),
            client_name="convq-watching",
        )
        self._waits: set[anyio.CancelScope] = set()
        self.waiting = 0
        self._stopping = False

    def has_room(self) -> bool:
        """Tell whether one more may wait."""
        return not self._stopping and self.waiting < _MOST_WAITERS

    async def events(self, job_id: str, after: str = "0") -> AsyncIterator[Event | None]:
        """Yield the job's events after the id ``after``, ending with the terminal one.

        Yields None when nothing has happened for a while, so that the caller can tell its peer
        that it is still there. A terminal event that is followed by others (the job was retried)
        does not end the stream. Ends early when the service stops.
        """
        self.waiting += 1
        try:
            ended = False
            while not self._stopping:
                key = self._jobs.events_key(job_id)
                batch = await self._read(key, after, None if ended else _HEARTBEAT_SECONDS)
                if batch is None or (ended and not batch):
                    return
                if not batch:
                    yield None
                for event in map(parse_event, batch):
                    after = event.id
                    ended = event.data.get("state") in TERMINAL
                    yield event
        finally:
            self.waiting -= 1

    async def wait(self, job_id: str, seconds: float) -> None:
        """Return when the job has ended, or after ``seconds``."""
        with anyio.move_on_after(seconds):
            async for _ in self.events(job_id):
                pass

    async def last(self, key: str) -> str:
        """Return the id of the last entry of a stream; "0" if there is none."""
        entries = await self._redis.xrevrange(key, count=1)
        return str(entries[0][0]) if entries else "0"

    async def grown(self, key: str, after: str, seconds: float) -> str:
        """Return the id of the last entry of a stream once one has come after ``after``.

        After ``seconds``, and when the service stops, it is ``after`` itself.
        """
        self.waiting += 1
        try:
            entries = await self._read(key, after, min(seconds, _HEARTBEAT_SECONDS))
        finally:
            self.waiting -= 1
        return str(entries[-1][0]) if entries else after

    def stop(self) -> None:
        """End all waiting now, because the service stops."""
        self._stopping = True
        for scope in self._waits:
            scope.cancel()

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _read(
        self, key: str, after: str, block: float | None
    ) -> list[tuple[str, dict[str, str]]] | None:
        """Return the next entries, none after ``block`` seconds, or None if stopped meanwhile."""
        milliseconds = None if block is None else math.ceil(block * 1000)
        with anyio.CancelScope() as scope:
            self._waits.add(scope)
            try:
                answer = await self._redis.xread({key: after}, count=_BATCH, block=milliseconds)
            finally:
                self._waits.discard(scope)
            # One stream was asked for: [[key, entries]], or nothing.
            return [entry for _, entries in answer or [] for entry in entries]
        return None
