"""From a Spec to a job that can be recorded: references, plan, documents."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from core.conv.device import Device
from core.jobs.kind import Planning, Spec
from core.jobs.registry import by_name
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import NewJob, Place
from core.store.models import ModelStore


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


def plan(
    spec: Spec, *, artifacts: ArtifactStore, device: Device, memory_cap: int
) -> dict[str, Any]:
    """Return how the job would be computed, without storing anything.

    Raises
    ------
    NotFound
        An artifact that the job refers to is not stored; ``given`` is its digest.
    InvalidInput
        The job would surely fail.
    """
    kind = by_name(spec.kind)
    digests = kind.references(spec)
    planning = Planning(
        artifacts=artifacts,
        inputs=dict(zip(digests, artifacts.get_many(list(digests)), strict=True)),
        device=device,
        memory_cap=memory_cap,
    )
    return kind.plan(spec, planning)


def new_job(
    spec: Spec,
    plan: dict[str, Any],
    *,
    artifacts: ArtifactStore,
    idempotency_key: str = "",
    body: Spec | None = None,
    begun_by: Place | None = None,
) -> NewJob:
    """Return a planned job, ready to be recorded.

    Parameters
    ----------
    spec, plan
        What is to be done, and how.
    artifacts : ArtifactStore
        Takes large documents.
    idempotency_key, begun_by
        As in `core.store.jobs.NewJob`.
    body : Spec, optional
        What the key stands for, if it is not ``spec``: as the client gave it, before `pin`.
    """
    kind = by_name(spec.kind)
    texts = {
        "spec": documents.write(artifacts, spec.model_dump(mode="json")),
        "plan": documents.write(artifacts, plan),
    }
    kept = [text for text in texts.values() if documents.is_artifact(text)]
    return NewJob(
        kind=spec.kind,
        label=spec.label,
        priority=spec.priority,
        total=kind.items(spec),
        artifacts=(*kind.references(spec), *kept),
        idempotency_key=idempotency_key,
        fingerprint=_fingerprint(body or spec),
        begun_by=begun_by,
        **texts,
    )


def _fingerprint(spec: Spec) -> str:
    document = spec.model_dump(mode="json", exclude_unset=True)
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
