"""Signs of life of the workers: a record each, written by the worker, aged by the reader."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import redis

from core.settings import Settings
from core.store.connection import server_ms

WorkerState = Literal["up", "busy", "draining", "unknown", "down"]

# A worker that is silent for three heartbeats is unknown, for ten it is down.
_UNKNOWN_AFTER, _DOWN_AFTER = 3, 10
_KEEP_SECONDS = 3600


@dataclass(frozen=True)
class Worker:
    """A worker as it last told of itself.

    Attributes
    ----------
    name : str
        Unique among the workers of one service.
    state : {"up", "busy", "draining", "unknown", "down"}
        ``unknown`` and ``down`` are worked out from the age of the last sign of life.
    running : str or None
        Id of the job that it runs; the oldest where it runs several together.
    last_seen : float
        Seconds since the epoch.
    about : dict
        Host, process id, start time, versions and the device with its constants.
    """

    name: str
    state: WorkerState
    running: str | None
    last_seen: float
    about: dict[str, Any]


class WorkerStore:
    """Writes and reads signs of life.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    settings : Settings
        For the key prefix and the interval of heartbeats.
    """

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        # redis-py types every answer as possibly awaitable.
        self._redis: Any = client
        self._prefix = settings.redis_prefix
        self._interval = settings.heartbeat_interval

    def beat(self, name: str, about: dict[str, Any]) -> None:
        """Tell that ``name`` is alive, by the server's clock."""
        pipeline = self._redis.pipeline()
        pipeline.zadd(f"{self._prefix}:workers", {name: self._now()})
        pipeline.set(f"{self._prefix}:worker:{name}", json.dumps(about), ex=_KEEP_SECONDS)
        pipeline.execute()

    def drain(self, name: str) -> None:
        """Ask the worker to give back what it runs, and show it as draining."""
        self._redis.sadd(f"{self._prefix}:draining", name)

    def forget(self, name: str) -> None:
        """Remove a worker that has stopped in order (or starts anew under its name)."""
        pipeline = self._redis.pipeline()
        pipeline.zrem(f"{self._prefix}:workers", name)
        pipeline.srem(f"{self._prefix}:draining", name)
        pipeline.delete(f"{self._prefix}:worker:{name}")
        pipeline.execute()

    def all(self) -> list[Worker]:
        """Return all workers seen in the last hour, by name."""
        now = self._now()
        index = f"{self._prefix}:workers"
        self._redis.zremrangebyscore(index, "-inf", now - _KEEP_SECONDS)
        seen: list[tuple[str, float]] = self._redis.zrange(index, 0, -1, withscores=True)
        if not seen:
            return []
        names = sorted(name for name, _ in seen)
        last_seen = dict(seen)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.mget([f"{self._prefix}:worker:{name}" for name in names])
        pipeline.smembers(f"{self._prefix}:draining")
        for name in names:
            pipeline.smembers(f"{self._prefix}:running:{name}")
        abouts, draining, *running = pipeline.execute()
        return [
            Worker(
                name=name,
                state=self._state(now - last_seen[name], bool(jobs), name in draining),
                running=min(jobs, default=None),
                last_seen=last_seen[name],
                about=json.loads(about or "{}"),
            )
            for name, about, jobs in zip(names, abouts, running, strict=True)
        ]

    def _state(self, silence: float, busy: bool, draining: bool) -> WorkerState:
        if silence > _DOWN_AFTER * self._interval:
            return "down"
        if silence > _UNKNOWN_AFTER * self._interval:
            return "unknown"
        if draining:
            return "draining"
        return "busy" if busy else "up"

    def _now(self) -> float:
        return server_ms(self._redis) / 1000
