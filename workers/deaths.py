"""What becomes of a job whose process has died."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable

import psutil

from core.store.jobs import Job, JobStore
from workers.waking import wake

log = logging.getLogger(__name__)


def is_here(job: Job) -> bool:
    """Tell whether the process that runs the job is one of this machine.

    A worker that has moved finds jobs of its own name that another machine runs: the same number is
    some other process here.
    """
    return job.pid is not None and job.host == socket.gethostname()


def has_died(job: Job) -> bool:
    """Tell whether the process that runs the job, one of this machine, is gone.

    Of a number that some other process has now, the lease tells.
    """
    assert job.pid is not None
    try:
        # One that has ended is still there until Celery has looked after it.
        return bool(psutil.Process(job.pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def kill(job: Job) -> None:
    """Kill the process that runs the job, one of this machine."""
    assert job.pid is not None
    with contextlib.suppress(ProcessLookupError):
        os.kill(job.pid, signal.SIGKILL)


def bury(
    jobs: JobStore,
    job: Job,
    send: Callable[[], None],
    *,
    max_attempts: int,
    reason: str = "its process died",
) -> None:
    """End the attempt of a process that can go on no more, so that the job need not wait for it.

    Parameters
    ----------
    jobs : JobStore
        Where the record is.
    job : Job
        As it was read when that was found.
    send : callable
        Puts a message into the queue, which wakes a worker up.
    max_attempts : int
        A job that is lost this often is failed.
    reason : str
        What happened.
    """
    state = jobs.abandon(job.id, job.attempt, reason=reason, max_attempts=max_attempts)
    log.warning("job %s: %s; it is %s now", job.id, reason, state or "elsewhere")
    wake(jobs, send)
