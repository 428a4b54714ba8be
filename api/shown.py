"""Records of the store as the models that clients see."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from api import wire
from api.services import Services
from core.store import documents
from core.store.artifacts import Artifact
from core.store.jobs import Attempt, Job
from core.store.states import TERMINAL
from core.store.workers import Worker


def artifact(record: Artifact) -> wire.Artifact:
    """Return an artifact's record as clients see it."""
    return wire.Artifact(**record.to_dict())


def summary(record: Job) -> wire.JobSummary:
    """Return a job's record as a listing shows it."""
    return wire.JobSummary(
        id=record.id,
        tenant=record.tenant,
        kind=record.kind,
        priority=record.priority,
        device=record.device,
        state=record.state,
        label=record.label,
        parent=record.parent,
        progress=wire.Progress(**record.progress._asdict()),
        timings=_timings(record),
        metrics=record.metrics,
        error=None if record.error is None else wire.Fault(**record.error),
        created=_when(record.created),
        started=_maybe_when(record.started),
        finished=_maybe_when(record.finished),
        cancel_requested=_maybe_when(record.cancel_requested),
        links=wire.Links(
            self=job_path(record.id),
            events=f"{job_path(record.id)}/events",
            results=f"{job_path(record.id)}/results",
            cancel=f"{job_path(record.id)}/cancel",
        ),
    )


def job(services: Services, record: Job) -> wire.Job:
    """Return a job's record with its plan and its attempts."""
    plan = None if record.plan is None else documents.read(services.artifacts, record.plan)
    attempts = services.jobs.attempts(record.id) if record.attempt else []
    return with_plan(record, plan, attempts, _waits_for(services, record))


def _waits_for(services: Services, record: Job) -> str | None:
    if record.state != "queued" or record.device == "auto" or record.group is not None:
        return None
    on_gpu = record.device == "gpu"
    for one in services.workers.all():
        if one.state in ("up", "busy") and ("gpu" in one.about) == on_gpu:
            return None
    return f"a worker {'with' if on_gpu else 'without'} a GPU"


def with_plan(
    record: Job,
    plan: dict[str, Any] | None,
    attempts: Sequence[Attempt] = (),
    waits_for: str | None = None,
) -> wire.Job:
    """Return a job's record with what is given."""
    return wire.Job(
        **dict(summary(record)),
        plan=plan,
        waits_for=waits_for,
        attempts=[_attempt(entry) for entry in attempts],
        checkpointed=_maybe_when(record.checkpointed),
        trace=record.trace,
    )


def worker(record: Worker) -> wire.Worker:
    """Return a worker's signs of life as clients see them."""
    device = record.about.get("gpu", record.about.get("device"))
    return wire.Worker(
        name=record.name,
        state=record.state,
        device=None if device is None else wire.WorkerDevice(**device),
        running=record.running,
        last_seen=_when(record.last_seen),
        host=record.about.get("host"),
        pid=record.about.get("pid"),
        versions=record.about.get("versions", {}),
        fault=record.about.get("fault"),
        vitals=record.about.get("vitals"),
    )


def job_path(job_id: str) -> str:
    """Return the path of a job."""
    return f"/v1/jobs/{job_id}"


def _attempt(entry: Attempt) -> wire.Attempt:
    return wire.Attempt(
        number=entry.number,
        worker=entry.worker,
        started=_when(entry.started),
        ended=_maybe_when(entry.ended),
        outcome=entry.outcome,
        reason=entry.reason,
    )


def _timings(record: Job) -> wire.Timings:
    now = time.time()
    end = record.finished or now
    # A job that was cancelled in the queue has an end but no start.
    left_queue = record.started or end
    # Redis has its own clock, which may be ahead of this machine's.
    return wire.Timings(
        queued=max(0.0, round(left_queue - record.queued, 3)),
        ran=None if record.started is None else max(0.0, round(end - record.started, 3)),
        stages=record.timings if record.state in TERMINAL else {},
    )


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe_when(seconds: float | None) -> datetime | None:
    return None if seconds is None else _when(seconds)
