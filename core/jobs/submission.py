"""From a Spec to a job that can be recorded: references, plan, documents."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from core.conv.device import Device
from core.errors import InvalidInput, NotFound
from core.jobs.kind import Planning, Spec
from core.jobs.registry import by_name
from core.needs import needed
from core.store import documents
from core.store.artifacts import Artifact, ArtifactStore
from core.store.edge import Group
from core.store.jobs import NewJob
from core.store.models import ModelStore

# Jobs of this size are worth running together: the rest of a job takes a millisecond or two.
_SMALL_SECONDS = 0.002
_SMALL_BYTES = 8 << 20
_MOST_PLANS = 256


def pin(spec: Spec, models: ModelStore) -> Spec:
    """Return the Spec with what its names of models mean now, so that it means the same for ever.

    Raises
    ------
    NotFound
        There is no such model, version or alias.
    InvalidInput
        It is no reference to a model.
    """
    pinned: Spec = by_name(spec.kind).pin(spec, lambda reference: models.resolve(reference).digest)
    return pinned


class Planned(NamedTuple):
    """How a job would be computed.

    Attributes
    ----------
    plan : dict
        As the kind makes it.
    text : str
        The same as JSON.
    alike : str or None
        Small jobs in which this is equal have the same plan, and can be run together.
    """

    plan: dict[str, Any]
    text: str
    alike: str | None


class Planner:
    """Plans jobs of one tenant, for one device.

    What is known of artifacts is kept, and jobs that are alike are planned once.

    Parameters
    ----------
    artifacts : ArtifactStore
        To read records and small artifacts.
    device, memory_cap
        As in `core.jobs.kind.Planning`.
    place : mapping, optional
        Stands in each plan as its ``device``, beside what the kind says of it; not where boxes run
        the job.
    group_of : callable, optional
        As in `core.jobs.kind.Planning`.
    workers : int
        As in `core.jobs.kind.Planning`.
    gpu : Device, optional
        As in `core.jobs.kind.Planning`. A job that asks for a GPU waits for one: it is planned for
        any, if none is known.
    """

    def __init__(
        self,
        artifacts: ArtifactStore,
        device: Device,
        memory_cap: int,
        place: Mapping[str, Any] | None = None,
        group_of: Callable[[str], Group] | None = None,
        workers: int = 1,
        gpu: Device | None = None,
    ) -> None:
        self._artifacts = artifacts
        self._device = device
        self._memory_cap = memory_cap
        self._place = place
        self._gpu = gpu
        self._group_of = group_of
        # A device cannot be hashed.
        self._for = (repr(device), memory_cap, repr(place), repr(gpu))
        self._workers = workers
        self._known: dict[str, Artifact] = {}

    def look_up(self, specs: Iterable[Spec]) -> None:
        """Read the records of all that the jobs refer to in one round trip."""
        digests = {digest for spec in specs for digest in by_name(spec.kind).references(spec)}
        self._known |= self._artifacts.find(sorted(digests - self._known.keys()))

    def plan(self, spec: Spec) -> Planned:
        """Return how the job would be computed, without storing anything.

        Raises
        ------
        NotFound
            An artifact that the job refers to is not stored; ``given`` is its digest.
        InvalidInput
            The job would surely fail.
        """
        kind = by_name(spec.kind)
        _check_device(spec)
        references = kind.references(spec)
        if any(digest not in self._known for digest in references):
            self.look_up([spec])
        inputs: dict[str, Artifact] = {}
        for digest in references:
            if digest not in self._known:
                raise NotFound(
                    "there is no such artifact; upload it first", field="inputs", given=digest
                )
            inputs[digest] = self._known[digest]
        planning = Planning(
            self._artifacts,
            inputs,
            self._device,
            self._memory_cap,
            self._group_of,
            self._workers,
            self._gpu,
        ).waiting_for(spec.device)
        if kind.boxes(spec) is not None:
            plan = kind.plan(spec, planning)
            return Planned(plan, documents.to_text(plan), None)
        alike = kind.alike(spec, inputs)
        if alike is None:
            return self._planned(kind.plan(spec, planning), None)
        key = (alike, *self._for)
        found = _PLANS.get(key)
        if found is None:
            plan = kind.plan(spec, planning)
            is_small = plan["seconds"] <= _SMALL_SECONDS and plan["bytes"] <= _SMALL_BYTES
            found = self._planned(plan, alike if is_small else None)
            _PLANS.put(key, found)
        return found

    def _planned(self, plan: dict[str, Any], alike: str | None) -> Planned:
        if self._place is not None:
            plan = plan | {"device": dict(self._place) | plan.get("device", {})}
        return Planned(plan, documents.to_text(plan), alike)


class _Plans:
    """The plans that were asked for last; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._plans: OrderedDict[Hashable, Planned] = OrderedDict()

    def get(self, key: Hashable) -> Planned | None:
        with self._lock:
            if key in self._plans:
                self._plans.move_to_end(key)
            return self._plans.get(key)

    def put(self, key: Hashable, plan: Planned) -> None:
        with self._lock:
            self._plans[key] = plan
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)


_PLANS = _Plans()


def new_job(
    spec: Spec,
    planned: Planned,
    *,
    artifacts: ArtifactStore,
    idempotency_key: str = "",
    body: Spec | None = None,
    **others: Any,
) -> NewJob:
    """Return a planned job, ready to be recorded.

    Parameters
    ----------
    spec, planned
        What is to be done, and how.
    artifacts : ArtifactStore
        Takes large documents.
    idempotency_key, **others
        As in `core.store.jobs.NewJob`.
    body : Spec, optional
        What the key stands for, if it is not ``spec``: as the client gave it, before `pin`.
    """
    kind = by_name(spec.kind)
    written = documents.keep(artifacts, spec.model_dump_json())
    plan = documents.keep(artifacts, planned.text)
    kept = [text for text in (written, plan) if documents.is_artifact(text)]
    return NewJob(
        kind=spec.kind,
        spec=written,
        plan=plan,
        label=spec.label,
        priority=spec.priority,
        total=kind.items(spec),
        artifacts=(*kind.references(spec), *kept),
        idempotency_key=idempotency_key,
        # It only says whether the key stands for the same.
        fingerprint=_fingerprint(body or spec) if idempotency_key else "",
        alike=planned.alike,
        boxes=kind.boxes(spec),
        needs=needed(planned.plan.get("bytes", 0)),
        device=spec.device,
        **others,
    )


def _check_device(spec: Spec) -> None:
    kind = by_name(spec.kind)
    if spec.device != "auto" and kind.boxes(spec) is not None:
        raise InvalidInput(
            "boxes run this job, not workers", field="device", given=spec.device, accepted="auto"
        )
    if spec.device == "gpu" and not kind.on_gpu:
        raise InvalidInput(
            f"jobs of the kind {kind.name} do not compute on GPUs",
            field="device",
            given=spec.device,
            accepted=["auto", "cpu"],
        )


def _fingerprint(spec: Spec) -> str:
    document = spec.model_dump(mode="json", exclude_unset=True)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
