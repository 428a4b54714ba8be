"""What is known of a job, and what the store is asked and answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from core import trace
from core.errors import ConvqError
from core.needs import ANY, Wish, device_in
from core.store.states import Priority, State
from core.store.tenants import DEFAULT

_ANY_NUMBER = 1 << 53


@dataclass(frozen=True)
class Attempt:
    """One try at running a job. Times are seconds since the epoch."""

    number: int
    worker: str
    started: float
    ended: float | None = None
    outcome: str | None = None
    reason: str | None = None


class Progress(NamedTuple):
    """How far a job is: items done (failed ones included) of all, and what happens now."""

    done: int = 0
    total: int = 0
    failed: int = 0
    stage: str = ""


@dataclass(frozen=True)
class Job:
    """A job record as it was at one moment. Times are seconds since the epoch.

    Attributes
    ----------
    tenant : str
        Whose it is (see `core.store.tenants`).
    priority : {"interactive", "normal", "batch"}
        Which jobs it goes before (see `docs/queue.md`).
    spec, plan, results : str
        Documents (see `core.store.documents`).
    trace : str or None
        Trace id of the request that submitted it, or of the job that began it.
    parent : str or None
        Id of the job that began this one.
    queued : float
        When it last entered the queue by submission or retry.
    error : dict or None
        What went wrong, in a failed job.
    timings : dict
        Seconds per stage, once it ended.
    metrics : dict or None
        The latest that the job reported of itself.
    checkpoint : str or None
        Digest of the artifact from which the job goes on if it is begun again.
    checkpointed : float or None
        When that was saved.
    span : str or None
        Id of the span that submitted it, where spans are on (see `core.spans`).
    group : str or None
        The boxes that it is for; None is for workers.
    device : {"auto", "cpu", "gpu"}
        What it must run on.
    """

    id: str
    tenant: str
    kind: str
    priority: Priority
    state: State
    label: str | None
    spec: str
    plan: str | None
    results: str | None
    parent: str | None
    trace: str | None
    progress: Progress
    attempt: int
    worker: str | None
    pid: int | None
    host: str | None
    created: float
    queued: float
    started: float | None
    finished: float | None
    cancel_requested: float | None
    error: dict[str, Any] | None
    timings: dict[str, float]
    metrics: dict[str, Any] | None
    checkpoint: str | None
    checkpointed: float | None
    span: str | None = None
    group: str | None = None
    device: Wish = "auto"


class Event(NamedTuple):
    """One entry of a job's event stream."""

    id: str
    event: str
    data: dict[str, Any]


class Page(NamedTuple):
    """Some jobs, newest first, and where the next page starts (None at the end)."""

    jobs: list[Job]
    cursor: str | None


class Place(NamedTuple):
    """Where a job that another one begins stands in that one.

    Attributes
    ----------
    parent, attempt : str, int
        The job that begins it, and the attempt at that job.
    name : str
        Unique among the jobs that it begins.
    """

    parent: str
    attempt: int
    name: str


class Boxes(NamedTuple):
    """The boxes at the edge that can run a job.

    Attributes
    ----------
    group : str
        Theirs.
    model : str
        Digest of the model's file that they must run.
    """

    group: str
    model: str


@dataclass(frozen=True)
class NewJob:
    """A job to be recorded.

    Attributes
    ----------
    kind, spec, plan, label, priority, trace, span
        As in `Job`.
    total : int
        Items that the job has.
    artifacts : tuple of str
        Digests that the job refers to; they are kept as long as the job is.
    idempotency_key, fingerprint : str
        The same key with the same fingerprint gives the job that it gave before.
    begun_by : Place, optional
        The attempt that begins this job; the same place in the same job gives the same job.
    alike : str, optional
        Jobs in which this is equal can be run together.
    boxes : Boxes, optional
        Who runs it in place of workers.
    needs : int
        Memory that it needs of a worker, a class of `core.needs`.
    device : {"auto", "cpu", "gpu"}
        What it must run on.
    """

    kind: str
    spec: str
    plan: str | None = None
    label: str | None = None
    priority: Priority = "normal"
    span: str | None = field(default_factory=trace.current_span)
    trace: str | None = field(default_factory=trace.current)
    total: int = 0
    artifacts: tuple[str, ...] = ()
    idempotency_key: str = ""
    fingerprint: str = ""
    begun_by: Place | None = None
    alike: str | None = None
    boxes: Boxes | None = None
    needs: int = ANY
    device: Wish = "auto"


@dataclass(frozen=True)
class End:
    """How an attempt at a job ended.

    Attributes
    ----------
    job_id, attempt : str, int
        The claim.
    state : {"succeeded", "failed", "cancelled"}
        What the job is from now on.
    progress, timings, results, error, plan
        As in `Job`.
    artifacts : tuple of str
        Digests that the job refers to from now on.
    """

    job_id: str
    attempt: int
    state: Literal["succeeded", "failed", "cancelled"]
    progress: Progress
    timings: dict[str, float]
    results: str | None = None
    error: dict[str, Any] | None = None
    plan: str | None = None
    artifacts: tuple[str, ...] = ()


class Finished(NamedTuple):
    """What came of the ends of some attempts.

    Attributes
    ----------
    done : list of bool
        For each whether it is committed; else another attempt owns the job.
    unnamed : list of str
        Keys of files that no record names any more, to be deleted.
    """

    done: list[bool]
    unnamed: list[str]


class Limits(NamedTuple):
    """How many jobs may be queued and bytes be stored: in all, and of one tenant."""

    queued: int = _ANY_NUMBER
    queued_of_tenant: int = _ANY_NUMBER
    stored: int = _ANY_NUMBER
    stored_of_tenant: int = _ANY_NUMBER


class Recorded(NamedTuple):
    """What came of some new jobs.

    Attributes
    ----------
    answers : list
        For each its record and whether it is new, or why it was not recorded.
    missing : int
        How many wake-ups must be sent.
    """

    answers: list[tuple[Job, bool] | ConvqError]
    missing: int


def parse_event(entry: tuple[str, dict[str, str]]) -> Event:
    """Return the `Event` of one raw stream entry."""
    event_id, fields = entry
    data = json.loads(fields["data"])
    if "at" in data:
        data["at"] /= 1000
    return Event(event_id, fields["event"], data)


def from_record(record: dict[str, str]) -> Job:
    """Return the `Job` of the fields of its record."""

    def seconds(field: str) -> float | None:
        return int(record[field]) / 1000 if field in record else None

    return Job(
        id=record["id"],
        tenant=record.get("tenant", DEFAULT),
        kind=record["kind"],
        priority=record.get("priority", "normal"),  # type: ignore[arg-type]
        state=record["state"],  # type: ignore[arg-type]
        label=record.get("label"),
        spec=record["spec"],
        plan=record.get("plan"),
        results=record.get("results"),
        parent=record.get("parent"),
        trace=record.get("trace"),
        progress=Progress(**json.loads(record.get("progress", "{}"))),
        attempt=int(record["attempt"]),
        worker=record.get("worker"),
        pid=int(record["pid"]) if "pid" in record else None,
        host=record.get("host"),
        created=int(record["created"]) / 1000,
        queued=int(record["queued"]) / 1000,
        started=seconds("started"),
        finished=seconds("finished"),
        cancel_requested=seconds("cancel_requested"),
        error=json.loads(record["error"]) if "error" in record else None,
        timings=json.loads(record.get("timings", "{}")),
        metrics=json.loads(record["metrics"]) if "metrics" in record else None,
        checkpoint=record.get("checkpoint"),
        checkpointed=seconds("checkpointed"),
        span=record.get("span"),
        group=record.get("group"),
        device=device_in(record.get("needs")),
    )


def parse_attempt(entry: dict[str, Any]) -> Attempt:
    """Return the `Attempt` of one entry of a job's history."""
    ended = entry.get("ended")
    return Attempt(
        number=int(entry["number"]),
        worker=entry["worker"],
        started=entry["started"] / 1000,
        ended=None if ended is None else ended / 1000,
        outcome=entry.get("outcome"),
        reason=entry.get("reason"),
    )
