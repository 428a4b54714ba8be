"""Signs of life of the workers: a record each, written by the worker, aged by the reader."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import redis

from core.settings import Settings
from core.store.connection import server_ms

WorkerState = Literal["up", "busy", "draining", "out", "unknown", "down"]

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
    state : {"up", "busy", "draining", "out", "unknown", "down"}
        ``out`` is one whose device does not work, and ``about["fault"]`` tells why. ``unknown`` and
        ``down`` are worked out from the age of the last sign of life.
    running : str or None
        Id of the job that it runs; the oldest where it runs several together.
    last_seen : float
        Seconds since the epoch.
    about : dict
        Host, process id, versions, the devices with their constants (``device``, the processor, and
        ``gpu`` where it has one), their memory, and the vitals of the moment.
    """

    name: str
    state: WorkerState
    running: str | None
    last_seen: float
    about: dict[str, Any]


def idle(worker: Worker) -> Worker:
    """Return a worker as it is seen by who may not know what it runs.

    Examples
    --------
    >>> worker = Worker("worker-1", "busy", running="06bkmd5s8ymjr0q4v1f2", last_seen=0, about={})
    >>> idle(worker).state, idle(worker).running
    ('up', None)
    """
    state: WorkerState = "up" if worker.state == "busy" else worker.state
    return replace(worker, running=None, state=state)


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

    def drain(self, name: str, *, after: float = 0) -> None:
        """Let the worker claim no more, and give back what it still runs ``after`` seconds."""
        moment = server_ms(self._redis) + round(after * 1000)
        self._redis.zadd(f"{self._prefix}:drains", {name: moment})

    def resume(self, name: str) -> None:
        """Let the worker claim jobs again."""
        self._redis.zrem(f"{self._prefix}:drains", name)

    def drains(self, name: str) -> bool:
        """Tell whether the worker is asked to claim no more."""
        return self._redis.zscore(f"{self._prefix}:drains", name) is not None

    def forget(self, name: str) -> None:
        """Remove a worker that has stopped in order (or starts anew under its name)."""
        pipeline = self._redis.pipeline()
        pipeline.zrem(f"{self._prefix}:workers", name)
        pipeline.zrem(f"{self._prefix}:drains", name)
        pipeline.delete(f"{self._prefix}:worker:{name}")
        pipeline.execute()

    def all(self) -> list[Worker]:
        """Return all workers seen in the last hour, by name."""
        index = f"{self._prefix}:workers"
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.time()
        pipeline.zrange(index, 0, -1, withscores=True)
        (seconds, microseconds), found = pipeline.execute()
        now = int(seconds) + int(microseconds) / 1e6
        seen = [(name, score) for name, score in found if score > now - _KEEP_SECONDS]
        if len(seen) < len(found):
            self._redis.zremrangebyscore(index, "-inf", now - _KEEP_SECONDS)
        if not seen:
            return []
        names = sorted(name for name, _ in seen)
        last_seen = dict(seen)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.mget([f"{self._prefix}:worker:{name}" for name in names])
        pipeline.zrange(f"{self._prefix}:drains", 0, -1)
        for name in names:
            pipeline.smembers(f"{self._prefix}:running:{name}")
        abouts, draining, *running = pipeline.execute()
        told = [json.loads(about or "{}") for about in abouts]
        return [
            Worker(
                name=name,
                state=self._state(
                    now - last_seen[name],
                    busy=bool(jobs),
                    draining=name in draining,
                    out=about.get("fault") is not None,
                ),
                running=min(jobs, default=None),
                last_seen=last_seen[name],
                about=about,
            )
            for name, about, jobs in zip(names, told, running, strict=True)
        ]

    def _state(self, silence: float, *, busy: bool, draining: bool, out: bool) -> WorkerState:
        if silence > _DOWN_AFTER * self._interval:
            return "down"
        if silence > _UNKNOWN_AFTER * self._interval:
            return "unknown"
        if draining:
            return "draining"
        if out:
            return "out"
        return "busy" if busy else "up"

    def _now(self) -> float:
        return server_ms(self._redis) / 1000
