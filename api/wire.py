"""What the service answers, as models: the shapes that clients rely on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.described import DIGEST, JOB_ID
from core.needs import Wish
from core.store.states import Priority, State
from core.store.workers import WorkerState

_CREATED = "2026-11-22T12:00:00Z"


def _example(**document: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [document]})


class Problem(BaseModel):
    """What went wrong (RFC 9457), and how to mend it."""

    model_config = _example(
        type="urn:convq:problem:invalid_input",
        title="The request is not acceptable",
        status=422,
        detail="mode: there is no such mode",
        code="invalid_input",
        field="mode",
        given="sam",
        accepted=["full", "same", "valid"],
    )

    type: str = Field(description="Names the kind of problem, like code.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened this time, for people.")
    code: str = Field(description="Stable name of the kind of problem, for programs.")
    field: str | None = Field(default=None, description="Path in the body, or parameter, at fault.")
    given: Any = Field(default=None, description="What was given there, shortened.")
    accepted: str | list[str] | None = Field(default=None, description="What is accepted there.")
    errors: list[dict[str, Any]] | None = Field(
        default=None, description="All faults, each with field, message, given and accepted."
    )


class Fault(BaseModel):
    """Why a job, or one item of it, failed."""

    model_config = ConfigDict(extra="allow")

    code: str
    message: str
    field: str | None = None
    given: Any = None
    accepted: Any = None


class Artifact(BaseModel):
    """Stored bytes, named by their SHA-256."""

    model_config = _example(
        digest=DIGEST, size=187_432, media_type="image/png", shape=[512, 512, 3], dtype="uint8"
    )

    digest: str
    size: int = Field(description="Bytes.")
    media_type: str = Field(description="By content.")
    shape: list[int] | None = Field(description="Of the array that the bytes hold, if any.")
    dtype: str | None


class Progress(BaseModel):
    """How far a job is, in items."""

    done: int = Field(description="Items that are done, failed ones included.")
    total: int
    failed: int
    stage: str = Field(description="What happens now.")


class Attempt(BaseModel):
    """One time that a worker took the job."""

    number: int
    worker: str
    started: datetime
    ended: datetime | None
    outcome: str | None = Field(
        description="succeeded, failed, cancelled; waiting for other jobs; or released, continued, "
        "expired, lost: queued again."
    )
    reason: str | None


class Timings(BaseModel):
    """Where the time went, in seconds; of a job that has not ended, until now."""

    queued: float | None = Field(description="From entering the queue to the first attempt.")
    ran: float | None = Field(description="From the first attempt to the end.")
    stages: dict[str, float] = Field(description="Of the attempt that ended the job.")


class Links(BaseModel):
    """Where to go from a job."""

    self: str
    events: str
    results: str
    cancel: str


class JobSummary(BaseModel):
    """A job as it is listed."""

    id: str
    tenant: str = Field(description="Whose it is.")
    kind: str
    priority: Priority
    device: Wish = Field(description="What it must run on.")
    state: State
    label: str | None
    parent: str | None = Field(description="Id of the job that began this one.")
    progress: Progress
    timings: Timings
    metrics: dict[str, Any] | None = Field(
        description="The latest that the job reported of itself, such as the loss of a training."
    )
    error: Fault | None = Field(description="Why the job failed.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    cancel_requested: datetime | None
    links: Links


class Job(JobSummary):
    """A job with its plan and its attempts."""

    model_config = _example(
        id=JOB_ID,
        tenant="lab-7",
        kind="convolve",
        priority="normal",
        device="auto",
        state="running",
        label="holiday pictures",
        parent=None,
        progress={"done": 12, "total": 200, "failed": 0, "stage": "convolve"},
        timings={"queued": 0.021, "ran": 1.43, "stages": {}},
        metrics=None,
        error=None,
        created=_CREATED,
        started=_CREATED,
        finished=None,
        cancel_requested=None,
        links={
            "self": f"/v1/jobs/{JOB_ID}",
            "events": f"/v1/jobs/{JOB_ID}/events",
            "results": f"/v1/jobs/{JOB_ID}/results",
            "cancel": f"/v1/jobs/{JOB_ID}/cancel",
        },
        plan={"seconds": 2.1, "bytes": 96_000_000, "groups": []},
        waits_for=None,
        attempts=[
            {
                "number": 1,
                "worker": "worker-1",
                "started": _CREATED,
                "ended": None,
                "outcome": None,
                "reason": None,
            }
        ],
        checkpointed=None,
        trace="0af7651916cd43dd8448eb211c80319c",
    )

    plan: dict[str, Any] | None = Field(
        description="Device, predicted seconds and bytes, and per group of inputs of one shape "
        "the algorithm chosen, why, and what the others would have cost."
    )
    waits_for: str | None = Field(
        description="What a queued job that is bound to a kind of device waits for, if no such "
        "worker is up; always null in the answer to its submission."
    )
    attempts: list[Attempt]
    checkpointed: datetime | None = Field(
        description="When that was saved from which the job goes on if it is begun again."
    )
    trace: str | None = Field(
        description="Trace id of the request that submitted it: of its traceparent header, or new."
    )


class BatchJob(BaseModel):
    """What came of one job of a batch."""

    status: int = Field(description="What POST /v1/jobs would have answered with: 202 or an error.")
    replayed: bool = Field(
        default=False, description="The key was used before; this is the job of then."
    )
    job: JobSummary | None = Field(default=None, description="The job, if it is recorded.")
    problem: Problem | None = Field(default=None, description="Why it is not.")


class BatchAnswer(BaseModel):
    """What came of a batch, in its order."""

    jobs: list[BatchJob]


class JobPage(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobSummary]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Result(BaseModel):
    """One file that a job made."""

    model_config = _example(
        name="cat.png",
        digest=DIGEST,
        size=187_432,
        media_type="image/png",
        shape=[512, 512, 3],
        dtype="uint8",
        input=DIGEST,
    )

    name: str
    digest: str
    size: int
    media_type: str
    shape: list[int] | None
    dtype: str | None
    input: str | None = Field(description="Digest of the input that it was made from.")


class Failure(Fault):
    """One item that could not be processed."""

    input: str | None
    name: str


class Results(BaseModel):
    """What came of a job, in the order of its inputs."""

    results: list[Result]
    failures: list[Failure]


class LogLine(BaseModel):
    """A line of a worker's log."""

    time: datetime
    level: str = Field(description="debug, info, warning, error or critical.")
    logger: str
    event: str
    attempt: int | None = Field(description="At the job.")
    fields: dict[str, Any] = Field(description="What else was said.")
    error: str | None = Field(default=None, description="Name of the exception, if there is one.")
    traceback: str | None = None


class Logs(BaseModel):
    """What workers logged about a job."""

    lines: list[LogLine] = Field(description="Oldest first; the last 500.")


class PlanAnswer(BaseModel):
    """How a job would be computed."""

    model_config = _example(
        plan={
            "device": {"kind": "cpu", "name": "AMD EPYC, 2 cores", "worker": "worker-1"},
            "seconds": 0.012,
            "bytes": 12_582_912,
            "groups": [
                {
                    "inputs": 1,
                    "input": "512 × 512 uint8",
                    "chosen": "separable",
                    "why": "the kernel has rank 1",
                    "seconds": 0.012,
                    "bytes": 12_582_912,
                    "candidates": [],
                }
            ],
        }
    )

    plan: dict[str, Any]


class KindInfo(BaseModel):
    """A kind of job."""

    name: str
    summary: str
    # Not called schema: pydantic's models have a method of that name.
    json_schema: dict[str, Any] = Field(
        serialization_alias="schema", description="JSON schema of the body of POST /v1/jobs."
    )


class PresetInfo(BaseModel):
    """A kernel that has a name."""

    name: str
    summary: str
    dimensions: list[int]
    parameters: dict[str, Any] = Field(description="JSON schema.")
    combine: str | None = Field(description="How the outputs of several arrays become one.")
    array: list[Any] = Field(description="The arrays for the default parameters in 2-D.")


class Kinds(BaseModel):
    """What jobs can be made of."""

    kinds: list[KindInfo]
    presets: list[PresetInfo]


class Depth(BaseModel):
    """Jobs that have not ended."""

    queued: int
    running: int


class QueueLimits(BaseModel):
    """What is taken at most; more is answered with 429 or 413."""

    queued: int = Field(description="Jobs in the queue.")
    queued_of_tenant: int = Field(description="Jobs in the queue of one tenant.")
    batch: int = Field(description="Jobs of one batch.")
    stored: int = Field(description="Bytes of artifacts.")
    stored_of_tenant: int = Field(description="Bytes of artifacts that one tenant holds.")


class Queue(BaseModel):
    """How much there is to do."""

    model_config = _example(
        depth={"queued": 3, "running": 1},
        messages=3,
        oldest_seconds=4.2,
        counts={
            "queued": 3,
            "running": 1,
            "waiting": 0,
            "succeeded": 120,
            "failed": 2,
            "cancelled": 0,
        },
        paused=False,
        limits={
            "queued": 100_000,
            "queued_of_tenant": 100_000,
            "batch": 1000,
            "stored": 1 << 50,
            "stored_of_tenant": 1 << 50,
        },
        tenant="lab-7",
        tenants=["default", "lab-7"],
    )

    depth: Depth
    messages: int | None = Field(
        description="Wake-ups that wait in the broker; null unless the key has the scope admin."
    )
    oldest_seconds: float | None = Field(description="Age of the job that waits longest.")
    counts: dict[State, int] = Field(description="Jobs in each state.")
    paused: bool = Field(description="Whether no job begins until the queue is resumed.")
    limits: QueueLimits
    tenant: str = Field(description="The key's own, whose jobs are counted.")
    tenants: list[str] | None = Field(
        description="Everybody who has ever submitted a job; null unless the key has the scope "
        "admin."
    )


class WorkerDevice(BaseModel):
    """What a worker computes on."""

    kind: str
    name: str


class Gpu(BaseModel):
    """How a GPU of the worker's machine fares; null is what it does not tell."""

    name: str
    utilisation: float | None = Field(description="Share of the last moment in which it computed.")
    memory: int | None = Field(description="Bytes in use.")
    memory_total: int | None
    temperature: float | None = Field(description="Degrees Celsius.")
    watts: float | None


class Vitals(BaseModel):
    """How a worker's processes and devices fare."""

    utilisation: float | None = Field(description="Share of the usable cores, since the last sign.")
    memory: int = Field(description="Resident bytes.")
    temperature: float | None = Field(description="Of the processor, in degrees Celsius.")
    gpus: list[Gpu]


class Worker(BaseModel):
    """A worker as it last told of itself."""

    name: str
    state: WorkerState
    device: WorkerDevice | None
    running: str | None = Field(description="Id of the job that it runs.")
    last_seen: datetime
    host: str | None
    pid: int | None
    versions: dict[str, str]
    fault: str | None = Field(description="Why its device is out of service; null while it works.")
    vitals: Vitals | None = Field(
        description="Null unless the key has the scope admin: it tells of what others compute."
    )


class Workers(BaseModel):
    """All workers that were seen in the last hour."""

    workers: list[Worker]


class Health(BaseModel):
    """The process is up."""

    status: str = "ok"


class Readiness(BaseModel):
    """Jobs can be submitted now."""

    status: str = "ready"
    workers: dict[WorkerState, int] = Field(
        description="Workers by state, for information: jobs wait for workers. Busy ones are up."
    )
