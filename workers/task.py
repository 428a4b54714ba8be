"""The one Celery task: wake up and look whether the job is there to be claimed."""

from __future__ import annotations

import logging
import os
from functools import cache

from celery import current_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.queue import TASK
from core.settings import Settings
from workers.app import app
from workers.runner import Runner

log = logging.getLogger(__name__)


@app.task(name=TASK)  # type: ignore[untyped-decorator]
def run_job(job_id: str) -> None:
    """Run the job if it is still queued; the message itself grants nothing."""
    _runner(current_task.request.hostname.partition("@")[0]).run(job_id)


def send(job_id: str) -> None:
    """Put a message for the job into the queue; if that fails, the reconciler will."""
    try:
        run_job.apply_async((job_id,))
    except (OperationalError, RedisError) as error:
        log.warning("job %s: no message sent: %s", job_id, error)


@cache
def _runner(worker: str) -> Runner:
    # One per process: its connections and the engine's caches live as long as the process.
    return Runner(Settings(), worker=worker, pid=os.getpid(), send=send)
