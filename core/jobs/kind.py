"""What a job kind is: a Spec, a plan, a run, and the references of the Spec to artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from core.conv.device import Device
from core.conv.device import gpu as any_gpu
from core.conv.residency import Devices
from core.jobs.run import Run
from core.needs import Wish
from core.store.artifacts import Artifact, ArtifactStore
from core.store.edge import Group
from core.store.jobs import Boxes
from core.store.states import Priority


class Spec(BaseModel):
    """Base of the body of every job."""

    # Strict, so that what is accepted is what the JSON schema says: no true for 1, no "1" for 1.
    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    label: str | None = Field(
        default=None,
        max_length=200,
        description="Free text to find the job by; GET /v1/jobs filters on it.",
    )
    priority: Priority = Field(
        default="normal",
        description="interactive goes before normal, and normal before batch; a job that has "
        "waited for long (CONVQ_PATIENCE) takes turns with those of a higher priority.",
    )
    device: Wish = Field(
        default="auto",
        description="Only workers with a GPU run a job that says gpu, only those without one that "
        "says cpu; with auto the first worker that has time takes it.",
    )


SpecT = TypeVar("SpecT", bound=Spec)

DigestOf: TypeAlias = Callable[[str], str]
"""From a reference to a registered model to the digest of the file that it means now."""


@dataclass(frozen=True)
class Planning:
    """What a kind may look at to plan a job: records and devices, not whole inputs.

    Attributes
    ----------
    artifacts : ArtifactStore
        To read small artifacts such as kernels.
    inputs : dict
        The records of all artifacts that the Spec refers to, by digest.
    device : Device
        The processor of the worker that will run the job, as far as is known.
    memory_cap : int
        Most bytes that one convolution may take.
    group_of : callable, optional
        From the name of a group of boxes to what is known of it; raises
        `core.errors.NotFound`. Without it the job cannot be addressed to boxes.
    workers : int
        How many there are to share the work.
    gpu : Device, optional
        The GPU that some worker has.
    """

    artifacts: ArtifactStore
    inputs: dict[str, Artifact]
    device: Device
    memory_cap: int
    group_of: Callable[[str], Group] | None = None
    workers: int = 1
    gpu: Device | None = None

    def waiting_for(self, wish: Wish) -> Planning:
        """Return what to plan a job by that waits for its device, whether one is known or not."""
        if wish != "gpu" or self.gpu is not None:
            return self
        return replace(self, gpu=any_gpu("a GPU"))

    def devices(self, wish: Wish) -> Devices:
        """Return both devices, and which one a job asks for."""
        return Devices(self.device, self.gpu, wish)


def _as_given(spec: SpecT, _digest_of: DigestOf) -> SpecT:
    return spec


def _by_workers(_spec: SpecT) -> Boxes | None:
    return None


def _like_no_other(_spec: SpecT, _inputs: Mapping[str, Artifact]) -> str | None:
    return None


@dataclass(frozen=True)
class Kind(Generic[SpecT]):
    """A job kind; one file ends with one of these.

    Attributes
    ----------
    name : str
        The value of ``kind`` in a job's body.
    summary : str
        One sentence for people who choose a kind.
    spec : type
        The pydantic model of the body.
    references : callable
        ``(spec) -> digests`` of all artifacts that the job needs, without repeats.
    items : callable
        ``(spec) -> int``, the number of items that progress counts.
    plan : callable
        ``(spec, planning) -> dict``, JSON-ready; raises `core.errors.InvalidInput` for what can be
        known to fail before the job is queued.
    run : callable
        ``(spec, run) -> None``; reports through the `Run`.
    pin : callable
        ``(spec, digest_of) -> spec`` with digests in place of names that may mean something else
        tomorrow; before everything else, so the others see digests only.
    alike : callable
        ``(spec, inputs) -> str or None``: jobs for which it is the same have the same plan, which
        then has ``seconds`` and ``bytes``. Where they are small a worker takes several at once.
        ``inputs`` are the records of all artifacts that the Spec refers to, by digest.
    boxes : callable
        ``(spec) -> Boxes or None``: the boxes at the edge that run the job in place of workers.
    on_gpu : bool
        Whether such jobs compute on the GPU of a worker that has one.
    """

    name: str
    summary: str
    spec: type[SpecT]
    references: Callable[[SpecT], tuple[str, ...]]
    items: Callable[[SpecT], int]
    plan: Callable[[SpecT, Planning], dict[str, Any]]
    run: Callable[[SpecT, Run], None]
    pin: Callable[[SpecT, DigestOf], SpecT] = _as_given
    alike: Callable[[SpecT, Mapping[str, Artifact]], str | None] = _like_no_other
    boxes: Callable[[SpecT], Boxes | None] = _by_workers
    on_gpu: bool = False
