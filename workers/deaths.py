"""What becomes of a job whose process has died."""

from __future__ import annotations

import logging
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


def bury(jobs: JobStore, job: Job, send: Callable[[], None], *, max_attempts: int) -> None:
    """End the attempt of a process that has died, so that the job need not wait for its lease.

    Parameters
    ----------
    jobs : JobStore
        Where the record is.
    job : Job
        As it was read when its process was found dead.
    send : callable
        Puts a message into the queue, which wakes a worker up.
    max_attempts : int
        A job that is lost this often is failed.
    """
    state = jobs.abandon(job.id, job.attempt, reason="its process died", max_attempts=max_attempts)
    log.warning("job %s: its process died; it is %s now", job.id, state or "elsewhere")
    wake(jobs, send)
