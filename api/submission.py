"""From the body of a request to a queued job: references, plan, record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from pydantic import Field

from api.errors import ArtifactNotFound
from api.services import Services
from core.conv import Device
from core.conv.device import cpu
from core.errors import ConvqError, InvalidInput, NotFound
from core.jobs import submission
from core.jobs.kind import Spec
from core.jobs.registry import KINDS
from core.store.jobs import Job

# Built from the registry, so that a new kind appears in the routes and in OpenAPI by itself.
_SPECS = tuple(kind.spec for kind in KINDS)
JobSpec: Any = (
    Annotated[Union[_SPECS], Field(discriminator="kind")]  # noqa: UP007 - made of a tuple
    if len(_SPECS) > 1  # a union of one is no union
    else _SPECS[0]
)
KindName: Any = Literal[tuple(kind.name for kind in KINDS)]


@dataclass(frozen=True)
class Submitted:
    """A recorded job, whether it was recorded by this request, and how many wake-ups it needs."""

    job: Job
    is_new: bool
    missing: int


def plan(services: Services, spec: Spec) -> dict[str, Any]:
    """Return how the job would be computed, without storing anything.

    Raises
    ------
    ArtifactNotFound
        An input or another artifact that the job refers to is not stored.
    InvalidInput
        The job would surely fail, or there is no such model.
    """
    return _plan(services, _pin(services, spec))


def _plan(services: Services, spec: Spec) -> dict[str, Any]:
    device, worker = _device(services)
    try:
        found = submission.plan(
            spec,
            artifacts=services.artifacts,
            device=device,
            memory_cap=services.settings.memory_cap,
        )
    except NotFound as error:
        raise _missing(spec, error) from error
    # Which worker will take the job is not known yet; the plan says for which it was made.
    place = {"kind": device.kind, "name": device.name, "worker": worker}
    return found | {"device": place}


def submit(services: Services, spec: Spec, idempotency_key: str | None) -> Submitted:
    """Plan the job and record it.

    Parameters
    ----------
    services : Services
        The stores.
    spec : Spec
        The validated body.
    idempotency_key : str, optional
        The same key with the same body gives the job that it gave before.

    Raises
    ------
    ArtifactNotFound, InvalidInput
        As `plan` does; InvalidInput also for a key that was used with another body.
    """
    pinned = _pin(services, spec)
    planned = _plan(services, pinned)
    try:
        new = submission.new_job(
            pinned,
            planned,
            body=spec,
            artifacts=services.artifacts,
            idempotency_key=idempotency_key or "",
        )
        (answer,), missing = services.jobs.submit_many([new])
        if isinstance(answer, ConvqError):
            raise answer
    except NotFound as error:  # an input expired between the plan and the record
        raise _missing(pinned, error) from error
    return Submitted(*answer, missing)


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


def _device(services: Services) -> tuple[Device, str | None]:
    """Return the device of a live worker and that worker's name, else this machine's and None."""
    for worker in services.workers.all():
        if worker.state in ("up", "busy") and "device" in worker.about:
            return Device(**worker.about["device"]), worker.name
    return cpu(), None
