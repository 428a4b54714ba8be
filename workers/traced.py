"""An attempt with its spans: how long the job waited for it, and what it did until the commit."""

from __future__ import annotations

import time

from core import logs, spans
from core.jobs.run import Run
from core.store.jobs import Job
from workers import attempt
from workers.attempt import Ending


def work(job: Job, run: Run) -> Ending:
    """Run the kind of a job as `workers.attempt.work` does, and tell of it where spans are on."""
    span, began = spans.new_id(), time.time()
    # What the job begins is caused by this attempt.
    with logs.about(span=span):
        ending = attempt.work(job, run)
    about: dict[str, str | int | float] = {
        "convq.job": job.id,
        "convq.kind": job.kind,
        "convq.attempt": job.attempt,
    }
    if job.attempt == 1:
        spans.record(
            "queue",
            trace=job.trace,
            parent=job.span,
            start=job.queued,
            end=began,
            attributes=about | {"convq.priority": job.priority},
        )
    stages = {f"convq.stage.{name}.seconds": seconds for name, seconds in run.timings.items()}
    spans.record(
        f"run {job.kind}",
        trace=job.trace,
        span=span,
        parent=job.span,
        kind="consumer",
        start=began,
        end=time.time(),
        error=(ending.error or {}).get("message"),
        attributes=about | stages | {"convq.state": ending.state},
    )
    return ending
