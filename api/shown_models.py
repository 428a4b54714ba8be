"""Records of the registry as the models that clients see."""

from __future__ import annotations

from datetime import UTC, datetime

from api import wire_models as wire
from api.services import Services
from api.shown import job_path
from core.store import documents
from core.store.models import RegisteredModel, Version, VersionPage


def version_path(name: str, number: int) -> str:
    """Return the path of a version."""
    return f"/v1/models/{name}/versions/{number}"


def summary(record: RegisteredModel) -> wire.ModelSummary:
    """Return a model as a listing shows it."""
    return wire.ModelSummary(
        name=record.name,
        count=record.versions,
        latest=record.latest,
        aliases=record.aliases,
        created=datetime.fromtimestamp(record.created, UTC),
        links=wire.ModelLinks(self=f"/v1/models/{record.name}"),
    )


def model(record: RegisteredModel, page: VersionPage) -> wire.Model:
    """Return a model with a page of its versions."""
    versions = [version_summary(version) for version in page.versions]
    return wire.Model(**dict(summary(record)), versions=versions, next=page.cursor)


def version_summary(record: Version) -> wire.VersionSummary:
    """Return a version as a listing shows it."""
    path = version_path(record.model, record.number)
    return wire.VersionSummary(
        model=record.model,
        version=record.number,
        digest=record.digest,
        job=record.job,
        aliases=list(record.aliases),
        metrics=record.metrics,
        created=datetime.fromtimestamp(record.created, UTC),
        links=wire.VersionLinks(
            self=path,
            file=f"{path}/file",
            onnx=f"{path}/onnx",
            job=None if record.job is None else job_path(record.job),
        ),
    )


def version(services: Services, record: Version) -> wire.Version:
    """Return a version with everything that is known of it."""
    document = documents.read(services.artifacts, record.document)
    return wire.Version(**dict(version_summary(record)), **document)
