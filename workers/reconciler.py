"""Puts right what crashes leave behind: lost leases, lost messages, expired jobs and artifacts.

Every worker's parent runs one. All that it does is idempotent, so several at once do no harm.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.edge_results import EdgeResults
from core.store.garbage import Garbage
from core.store.jobs import JobStore

log = logging.getLogger(__name__)

# All records and files are compared once in so many intervals of sweeps, by one of all workers: it
# lists the whole store.
_COLLECTIONS = 60


class Reconciler:
    """Compares what the records say with what is going on, and mends the difference.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    settings : Settings
        Intervals, limits and retention.
    send : callable
        Puts a message into the queue, which wakes a worker up.
    """

    def __init__(self, client: redis.Redis, settings: Settings, send: Callable[[], None]) -> None:
        self._redis = client
        self._settings = settings
        self._send = send
        self._jobs = JobStore(client, settings.redis_prefix)
        artifacts = ArtifactStore(settings.store_url, client, settings.redis_prefix)
        self._garbage = Garbage(artifacts, client, settings.redis_prefix)
        self._edge_results = EdgeResults(client, settings.redis_prefix)
        self._watching_since: float | None = None
        self._last_look = 0.0

    def reconcile(self) -> None:
        """Take jobs from silent workers and send again what has no message."""
        moved = self._expire()
        for job_id, state in moved.items():
            log.warning("job %s: its worker fell silent; it is %s now", job_id, state)
        missing = self._jobs.missing_messages(age=0 if moved else self._settings.resend_after)
        if missing:
            log.warning("%d messages are missing for jobs that are queued; sent", missing)
        for _ in range(missing):
            self._send()

    def sweep(self) -> None:
        """Delete what has outlived its retention."""
        retention = self._settings.retention
        jobs = self._jobs.sweep(retention)
        self._edge_results.sweep(retention)
        artifacts = self._garbage.sweep(retention)
        if jobs or artifacts:
            log.info(
                "swept %d jobs and %d artifacts that outlived %.0f s", jobs, artifacts, retention
            )
        if self._is_due():
            self._collect(retention)

    def _is_due(self) -> bool:
        key = f"{self._settings.redis_prefix}:collected"
        rest = round(_COLLECTIONS * self._settings.sweep_interval * 1000)
        return bool(self._redis.set(key, "", nx=True, px=rest))

    def _collect(self, retention: float) -> None:
        found = self._garbage.collect(retention)
        if found.artifacts or found.strays:
            log.info(
                "collected %d artifacts and %d files without a record, %d bytes",
                found.artifacts,
                found.strays,
                found.freed,
            )
        for digest in found.missing:
            log.error("artifact %s: its file is missing", digest)
        for digest in found.miscounted:
            log.error("artifact %s: its count of references is wrong; it is kept", digest)

    def _expire(self) -> dict[str, str]:
        # After Redis was away, or at the start of everything, all leases look run out although
        # their owners live. Only who has watched for a whole lease may judge one.
        now = time.monotonic()
        if self._watching_since is None or now - self._last_look > self._settings.lease:
            self._watching_since = now
        self._last_look = now
        if now - self._watching_since < self._settings.lease:
            return {}
        return dict(self._jobs.expire(max_attempts=self._settings.max_attempts))
