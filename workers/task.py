"""The one Celery task: wake up and look whether the job is there to be claimed."""

from __future__ import annotations

import os
from functools import cache

from celery import current_task

from core.queue import TASK
from core.settings import Settings
from workers.app import app
from workers.runner import Runner


@app.task(name=TASK)  # type: ignore[untyped-decorator]
def run_job(job_id: str) -> None:
    """Run the job if it is still queued; the message itself grants nothing."""
    if _runner(current_task.request.hostname.partition("@")[0]).run(job_id):
        run_job.apply_async((job_id,))


@cache
def _runner(worker: str) -> Runner:
    # One per process: its connections and the engine's caches live as long as the process.
    return Runner(Settings(), worker=worker, pid=os.getpid())
