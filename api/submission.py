"""From the bodies of jobs to queued jobs: references, plans, records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Annotated, Any, Literal, Union

from pydantic import Field

from api.errors import ArtifactNotFound
from api.services import Services
from core import needs, trace
from core.conv.device import cpu, told
from core.errors import ConvqError, InvalidInput, NotFound, TooLarge
from core.jobs import submission
from core.jobs.kind import Spec
from core.jobs.registry import KINDS
from core.store.jobs import Job, Limits, NewJob

# Built from the registry, so that a new kind appears in the routes and in OpenAPI by itself.
_SPECS = tuple(kind.spec for kind in KINDS)
JobSpec: Any = (
    Annotated[Union[_SPECS], Field(discriminator="kind")]  # noqa: UP007 - made of a tuple
    if len(_SPECS) > 1  # a union of one is no union
    else _SPECS[0]
)
KindName: Any = Literal[tuple(kind.name for kind in KINDS)]


@dataclass(frozen=True)
class Wish:
    """A job that is to be recorded.

    Attributes
    ----------
    spec : Spec
        The validated body.
    idempotency_key : str
        The same key with the same body gives the job that it gave before; empty for none.
    trace, span : str or None
        Trace id of the request, and the id of its span where spans are on.
    """

    spec: Spec
    idempotency_key: str = ""
    span: str | None = field(default_factory=trace.current_span)
    trace: str | None = field(default_factory=trace.current)


@dataclass(frozen=True)
class Submitted:
    """A recorded job.

    Attributes
    ----------
    job : Job
        Its record.
    plan : dict or None
        Its plan; None if it was recorded before, by another request.
    """

    job: Job
    plan: dict[str, Any] | None

    @property
    def is_new(self) -> bool:
        """Whether it was recorded by this request."""
        return self.plan is not None


def plan(services: Services, spec: Spec) -> dict[str, Any]:
    """Return how the job would be computed, without storing anything.

    Raises
    ------
    ArtifactNotFound
        An input or another artifact that the job refers to is not stored.
    InvalidInput
        The job would surely fail, or there is no such model.
    """
    pinned = _pin(services, spec)
    return _Planning(services).plan(pinned).plan


def submit(services: Services, wishes: Sequence[Wish]) -> tuple[list[Submitted | ConvqError], int]:
    """Plan jobs and record them, each for itself; return also how many wake-ups are missing.

    In place of a job that was not recorded stands the reason: `ArtifactNotFound` and `InvalidInput`
    as `plan` raises them, and what `core.store.jobs.JobStore.submit_many` answers.
    """
    answers: list[Submitted | ConvqError | None] = [None] * len(wishes)
    pinned: dict[int, Spec] = {}
    for place, wish in enumerate(wishes):
        try:
            pinned[place] = _pin(services, wish.spec)
        except ConvqError as error:
            answers[place] = error
    planning = _Planning(services)
    planning.look_up(pinned.values())
    planned: dict[int, submission.Planned] = {}
    new: dict[int, NewJob] = {}
    for place, spec in pinned.items():
        wish = wishes[place]
        try:
            planned[place] = planning.plan(spec)
            new[place] = submission.new_job(
                spec,
                planned[place],
                body=wish.spec,
                artifacts=services.artifacts,
                idempotency_key=wish.idempotency_key,
                trace=wish.trace,
                span=wish.span,
            )
        except ConvqError as error:
            answers[place] = error
    settings = services.settings
    limits = Limits(
        settings.max_queued,
        settings.max_queued_of_tenant,
        settings.max_stored,
        settings.max_stored_of_tenant,
    )
    recorded = services.jobs.submit_many(list(new.values()), limits)
    for place, answer in zip(new, recorded.answers, strict=True):
        if isinstance(answer, NotFound):  # an input expired between the plan and the record
            answers[place] = _missing(pinned[place], answer)
        elif isinstance(answer, ConvqError):
            answers[place] = answer
        else:
            job, is_new = answer
            answers[place] = Submitted(job, planned[place].plan if is_new else None)
    return [answer for answer in answers if answer is not None], recorded.missing


class _Planning:
    """Plans for the device of a live worker, as the API shows plans."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._workers = [
            worker for worker in services.workers.all() if worker.state in ("up", "busy")
        ]
        self._planners: dict[needs.Wish, submission.Planner] = {}

    def look_up(self, specs: Iterable[Spec]) -> None:
        for wish, some in groupby(sorted(specs, key=_wish), key=_wish):
            self._planner(wish).look_up(some)

    def plan(self, spec: Spec) -> submission.Planned:
        """Return the plan, or raise TooLarge where no worker has the memory for it."""
        try:
            planned = self._planner(spec.device).plan(spec)
        except NotFound as error:
            raise _missing(spec, error) from error
        self._check_memory(planned.plan.get("bytes", 0), spec.device)
        return planned

    def _planner(self, wish: needs.Wish) -> submission.Planner:
        if wish not in self._planners:
            self._planners[wish] = self._planner_for(wish)
        return self._planners[wish]

    def _planner_for(self, wish: needs.Wish) -> submission.Planner:
        # Who has a GPU has a processor, too; who wants the processor gets a worker without.
        with_gpu = [worker for worker in self._workers if "gpu" in worker.about]
        others = [
            worker
            for worker in self._workers
            if "device" in worker.about and worker not in with_gpu
        ]
        able = {"auto": with_gpu + others, "cpu": others + with_gpu, "gpu": with_gpu}[wish]
        worker = able[0] if able else None
        about = {} if worker is None else worker.about
        device = told(about["device"]) if "device" in about else cpu()
        services = self._services
        return submission.Planner(
            services.artifacts,
            device,
            services.settings.memory_cap,
            # Which worker will take the job is not known yet; the plan says for which it was made.
            {"kind": device.kind, "name": device.name, "worker": worker and worker.name},
            services.edge.group,
            max(1, len(self._workers)),
            told(about["gpu"]) if "gpu" in about else None,
        )

    def _check_memory(self, size: int, wish: needs.Wish) -> None:
        known = {
            memory: worker.name
            for worker in self._workers
            if (memory := _memory_for(wish, worker.about)) is not None
        }
        if not known:
            return
        largest = max(known)
        limit = min(largest, needs.most(needs.offered(largest)))
        if size > limit:
            raise TooLarge(
                "no worker has the memory that this job needs by its plan",
                field="inputs",
                given=f"{size} bytes",
                accepted=f"at most {limit} bytes, for which {known[largest]} has the memory",
            )


def _wish(spec: Spec) -> needs.Wish:
    return spec.device


def _memory_for(wish: needs.Wish, about: dict[str, Any]) -> int | None:
    """Return the bytes that a worker has for such a job, or None if it runs none."""
    has_gpu = "gpu" in about
    if "memory" not in about or wish == ("cpu" if has_gpu else "gpu"):
        return None
    memory: int = about["memory"]
    return min(memory, about["gpu_memory"]) if wish == "gpu" else memory


def _pin(services: Services, spec: Spec) -> Spec:
    try:
        return submission.pin(spec, services.models)
    except NotFound as error:
        raise InvalidInput(
            error.message,
            field="model",
            given=error.given,
            accepted=error.accepted or "a registered model, or the digest of a model's file",
        ) from error


def _missing(spec: Spec, error: NotFound) -> ArtifactNotFound:
    digest = str(error.given)
    return ArtifactNotFound(
        "there is no such artifact; upload it first",
        field=_place(spec.model_dump(mode="json", exclude_unset=True), digest),
        given=digest,
        accepted="the digest that POST /v1/artifacts answered with",
    )


def _place(document: Any, digest: str) -> str | None:
    """Return the path of the first place where ``digest`` stands in a JSON document."""
    if isinstance(document, dict):
        pairs = document.items()
    elif isinstance(document, list):
        pairs = enumerate(document)  # type: ignore[assignment]
    else:
        return None
    for name, value in pairs:
        if value == digest:
            return str(name)
        below = _place(value, digest)
        if below is not None:
            return f"{name}.{below}"
    return None
