"""What the service answers, typed.

Each model keeps fields that this version does not know (a newer service may send them); they
are attributes too, and `model_dump` returns them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from convq.client.text import job_text, plan_text
from core.errors import NotFound

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
"""The states that a job never leaves, except by `Client.retry`."""


class Model(BaseModel):
    """Base of all answers: immutable, tolerant of further fields."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Artifact(Model):
    """Stored bytes, named by their SHA-256.

    ``shape`` and ``dtype`` are those of the decoded array, ``None`` where the bytes hold none.
    """

    digest: str
    size: int
    media_type: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None


class Progress(Model):
    """How far a job is, in items; ``failed`` items count as done too."""

    done: int = 0
    total: int | None = None
    failed: int = 0
    stage: str | None = None


class Fault(Model):
    """Why a job, or a part of it, failed."""

    code: str = "error"
    message: str = ""
    field: str | None = None


class Candidate(Model):
    """An algorithm that the planner weighed: what it would take, or why it cannot."""

    algorithm: str
    seconds: float | None = None
    bytes: int | None = None
    refused: str | None = None


class PlanGroup(Model):
    """The inputs of one sort, and how each of them will be computed, or why it will fail.

    Attributes
    ----------
    inputs : int
        How many inputs are of this sort.
    input : str
        The sort, for people: shape and dtype.
    problem : dict
        The convolution in full: ``x_shape``, ``kernel_shape``, ``mode`` and so on.
    chosen, why : str or None
        The algorithm, and the reason in a sentence.
    seconds, bytes : float, int or None
        Predicted for one input.
    measured_seconds : float or None
        What an input took on average, once the job has run.
    candidates : list of Candidate
        All algorithms that were weighed.
    error : Fault or None
        What such inputs fail with.
    tiles : dict or None
        Of a chunked array: the ``shape`` and ``count`` of its tiles, and ``seconds`` of one.
    """

    inputs: int
    input: str = ""
    tiles: dict[str, Any] | None = None
    problem: dict[str, Any] = Field(default_factory=dict)
    chosen: str | None = None
    why: str | None = None
    seconds: float | None = None
    bytes: int | None = None
    measured_seconds: float | None = None
    candidates: list[Candidate] = Field(default_factory=list)
    error: Fault | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.problem.get("x_shape", ()))

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """Shape of one kernel."""
        shape = tuple(self.problem.get("kernel_shape", ()))
        return shape[1:] if self.problem.get("bank") else shape

    @property
    def kernels(self) -> int:
        """How many kernels are applied to each input."""
        return int(self.problem["kernel_shape"][0]) if self.problem.get("bank") else 1


class JobPlan(Model):
    """How a job will be computed: predicted seconds in total, bytes at the peak.

    Print it to see, for each sort of input, all candidates with the chosen one marked.
    """

    device: dict[str, Any] = Field(default_factory=dict)
    seconds: float | None = None
    bytes: int | None = None
    groups: list[PlanGroup] = Field(default_factory=list)

    def __str__(self) -> str:
        """Return the plan as tables of candidates."""
        return plan_text(self)


class Attempt(Model):
    """One time that a worker took the job."""

    number: int
    worker: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    outcome: str | None = None
    reason: str | None = None


class Timings(Model):
    """Where the time went, in seconds."""

    queued: float | None = None
    ran: float | None = None
    stages: dict[str, float] = Field(default_factory=dict)


class Job(Model):
    """A job as the service records it.

    ``state`` is ``queued``, ``running``, ``waiting`` (for the jobs that it has begun),
    ``succeeded``, ``failed`` or ``cancelled``. Jobs that come from a listing have no ``plan``.
    ``metrics`` is the latest that a job reported of itself, such as the loss of a training;
    ``checkpointed`` is when it saved from where it can go on, ``trace`` the trace id of the request
    that submitted it, ``tenant`` whose it is, ``device`` what it must run on (``auto``, ``cpu`` or
    ``gpu``), ``waits_for`` what a queued one waits for if no such worker is up.
    """

    id: str
    tenant: str = "default"
    kind: str
    priority: str = "normal"
    device: str = "auto"
    state: str
    label: str | None = None
    parent: str | None = None
    progress: Progress = Field(default_factory=Progress)
    plan: JobPlan | None = None
    waits_for: str | None = None
    attempts: list[Attempt] = Field(default_factory=list)
    timings: Timings = Field(default_factory=Timings)
    metrics: dict[str, Any] | None = None
    error: Fault | None = None
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    cancel_requested: datetime | None = None
    checkpointed: datetime | None = None
    trace: str | None = None
    links: dict[str, Any] = Field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the job has come to its end, good or bad."""
        return self.state in TERMINAL

    def __str__(self) -> str:
        """Return the job in a line."""
        return job_text(self)


class Event(Model):
    """Something that happened to a job: ``name`` is state, progress, metrics or cancel."""

    id: str
    name: str
    data: dict[str, Any]


class Result(Model):
    """One output of a job; ``input`` says which input it came from."""

    name: str
    digest: str
    media_type: str
    size: int | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    input: str | None = None


class Failure(Model):
    """One input that could not be computed; the other inputs were."""

    input: str | None = None
    name: str
    code: str = "error"
    message: str = ""


class Results(Model):
    """The outputs of a job in the order of its inputs, and the inputs that failed."""

    results: list[Result] = Field(default_factory=list)
    failures: list[Failure] = Field(default_factory=list)


class Preset(Model):
    """A kernel that has a name."""

    name: str
    summary: str = ""
    parameters: dict[str, Any] = Field(default_factory=dict)
    array: Any = None


class Kind(Model):
    """A kind of job; ``schema_`` is the JSON schema of its body."""

    name: str
    summary: str = ""
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class Kinds(Model):
    """What the service can do."""

    kinds: list[Kind] = Field(default_factory=list)
    presets: list[Preset] = Field(default_factory=list)


class Queue(Model):
    """How much there is to do.

    ``depth`` counts the ``tenant``'s jobs that have not ended and ``counts`` those in each state;
    the job that waits longest has waited for ``oldest_seconds``. How many ``messages`` wait in the
    broker and which ``tenants`` have submitted jobs tells of all tenants, so only a key with the
    scope admin sees it. While it is ``paused`` no job begins.
    """

    depth: dict[str, int] = Field(default_factory=dict)
    messages: int | None = None
    oldest_seconds: float | None = None
    counts: dict[str, int] = Field(default_factory=dict)
    paused: bool = False
    tenant: str = "default"
    tenants: list[str] | None = None


class LogLine(Model):
    """A line that a worker logged about a job.

    ``fields`` is what else was said; a line about an exception has its name and its traceback.
    """

    time: datetime
    level: str
    logger: str = ""
    event: str
    attempt: int | None = None
    fields: dict[str, Any] = Field(default_factory=dict)
    error: str | None = None
    traceback: str | None = None


class Storage(Model):
    """How many bytes are stored, in all and by tenant, and at most; unused ones for a while."""

    stored: int
    tenants: dict[str, int] = Field(default_factory=dict)
    most: int
    most_of_tenant: int
    retention: float


class Garbage(Model):
    """What a collection would delete now.

    Of ``records`` artifacts ``referred`` are needed; ``artifacts`` and ``strays``, files without a
    record, would go and free ``freed`` bytes. The file of ``missing`` is not there, and the
    references of ``miscounted`` are counted wrongly.
    """

    records: int
    referred: int
    artifacts: int
    strays: int
    freed: int
    missing: int
    missing_digests: list[str] = Field(default_factory=list)
    miscounted: int


class Device(Model):
    """What computes: ``kind`` is cpu or gpu."""

    kind: str
    name: str = ""


class Gpu(Model):
    """How a GPU fares: shares, bytes, degrees Celsius and watts; None is what it does not tell."""

    name: str
    utilisation: float | None = None
    memory: int | None = None
    memory_total: int | None = None
    temperature: float | None = None
    watts: float | None = None


class Vitals(Model):
    """How a worker's processes fare.

    ``utilisation`` is the share of the usable cores, ``memory`` resident bytes, ``temperature``
    that of the processor in degrees Celsius, if it is told.
    """

    utilisation: float | None = None
    memory: int = 0
    temperature: float | None = None
    gpus: list[Gpu] = Field(default_factory=list)


class Worker(Model):
    """A worker as it last told of itself; ``running`` is the id of the job that it runs.

    ``state`` is ``up``, ``busy``, ``draining``, ``out`` (its device does not work: ``fault`` tells
    why), ``unknown`` or ``down``. Its ``vitals`` are for keys with the scope admin.
    """

    name: str
    state: str
    device: Device | None = None
    running: str | None = None
    last_seen: datetime | None = None
    host: str | None = None
    pid: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    fault: str | None = None
    vitals: Vitals | None = None


class ModelVersion(Model):
    """One version of a model.

    Attributes
    ----------
    model, version : str, int
        The name and the number.
    digest : str
        Of the artifact with the model's file.
    job : str or None
        Id of the job that made it.
    aliases : list of str
        That point to it.
    metrics : dict
        How good it was when it was made.
    created : datetime or None
        When it was registered.
    spec, classes, input_shape, output_shape, parameters, multiply_adds, lineage, warnings
        What is known of it besides; empty in listings.
    """

    model: str
    version: int
    digest: str
    job: str | None = None
    aliases: list[str] = Field(default_factory=list)
    metrics: dict[str, float] = Field(default_factory=dict)
    created: datetime | None = None
    spec: dict[str, Any] = Field(default_factory=dict)
    classes: list[str] | None = None
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    parameters: int | None = None
    multiply_adds: int | None = None
    lineage: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)

    @property
    def reference(self) -> str:
        """What the version is called in jobs, for example ``digits@3``."""
        return f"{self.model}@{self.version}"


class RegisteredModel(Model):
    """A model: its aliases, and, unless it comes from a listing, its versions, newest first.

    ``count`` is the number of versions, ``latest`` the number of the newest.
    """

    name: str
    count: int
    latest: int
    aliases: dict[str, int] = Field(default_factory=dict)
    created: datetime | None = None
    versions: list[ModelVersion] = Field(default_factory=list)
    next: int | None = None

    def number(self, alias: str | None) -> int:
        """Return the number of the version that an alias means; None means the newest.

        Raises
        ------
        NotFound
            There is no such alias.
        """
        if alias is None:
            return self.latest
        if alias not in self.aliases:
            raise NotFound(
                "the model has no such alias", field="alias", given=alias, accepted=[*self.aliases]
            )
        return self.aliases[alias]
