"""Watches the process of the job that a worker runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

from core.settings import Settings
from core.store.jobs import Job, JobStore
from workers.deaths import bury, has_died, is_here, kill
from workers.waking import wake

log = logging.getLogger(__name__)

_KILLED = "its process was killed, as a job in it that was cancelled did not stop"


class Warden:
    """Watches the job of one worker from the worker's parent process.

    A job whose process has died is queued again. So is one that the worker ran before it was
    itself killed and started anew, which nobody else would notice before the end of the lease.

    Work asks often whether it should stop, but a long call into a library cannot. A job that goes
    on for longer than ``settings.cancel_grace`` after its cancel has its process killed; the parent
    replaces the process, and the record says ``cancelled`` once it is gone. Other jobs that it held
    are not to blame: they are given back, and not counted as lost.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    settings : Settings
        For the grace and the most attempts.
    worker : str
        The worker's name.
    send : callable
        Puts a message into the queue, which wakes a worker up.
    """

    def __init__(
        self, client: redis.Redis, settings: Settings, worker: str, send: Callable[[], None]
    ) -> None:
        self._jobs = JobStore(client, settings.redis_prefix)
        self._grace = settings.cancel_grace
        self._max_attempts = settings.max_attempts
        self._send = send
        self._worker = worker
        self._overdue: tuple[str, float] | None = None
        self._killed: int | None = None

    def strike(self, reason: str) -> None:
        """Take what the worker runs from its process, which can go on no more, and kill that."""
        for job in filter(is_here, self._jobs.running_on(self._worker)):
            bury(self._jobs, job, self._send, max_attempts=self._max_attempts, reason=reason)
            kill(job)

    def watch(self) -> None:
        """Bury processes that have died; kill one whose cancel has gone unanswered for too long."""
        cancelled = []
        for job in self._jobs.running_on(self._worker):
            if not is_here(job):
                continue
            if job.state == "running" and has_died(job):
                self._clear(job)
            elif job.cancel_requested is not None:
                cancelled.append(job)
        if not cancelled:
            self._overdue = None
            return
        job = min(cancelled, key=lambda job: job.cancel_requested or 0)
        assert job.pid is not None
        if self._overdue is None or self._overdue[0] != job.id:
            self._overdue = (job.id, time.monotonic())
        elif time.monotonic() - self._overdue[1] > self._grace:
            log.warning("job %s did not stop when cancelled; killing process %d", job.id, job.pid)
            kill(job)
            self._killed = job.pid
            self._overdue = None

    def _clear(self, job: Job) -> None:
        """Take a job from its process, which has died."""
        if job.pid != self._killed:
            bury(self._jobs, job, self._send, max_attempts=self._max_attempts)
            return
        self._jobs.release(job.id, job.attempt, _KILLED)
        wake(self._jobs, self._send)
