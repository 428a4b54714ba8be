"""From a finished job, or an uploaded file, to a version of a model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from core.errors import Conflict, InvalidInput
from core.jobs.trained import MODEL
from core.nets.model import Model, load
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore
from core.store.models import ModelStore, Version


def register_job(
    models: ModelStore, jobs: JobStore, artifacts: ArtifactStore, name: str, job_id: str
) -> tuple[Version, bool]:
    """Record the model that a job made as a version; return it and whether it is new.

    Raises
    ------
    NotFound
        There is no such job.
    Conflict
        The job has not succeeded.
    InvalidInput
        The job made no model, or ``name`` is malformed.
    """
    job = jobs.get(job_id)
    if job.state != "succeeded":
        raise Conflict(
            "only a job that has succeeded has a model",
            field="job",
            given=f"{job_id}, {job.state}",
            accepted="a job that has succeeded",
        )
    return register_artifact(models, artifacts, name, _result(artifacts, job), job=job_id)


def register_artifact(
    models: ModelStore,
    artifacts: ArtifactStore,
    name: str,
    digest: str,
    *,
    job: str | None = None,
) -> tuple[Version, bool]:
    """Record a model's file as a version; return it and whether it is new.

    The file is read and checked wholly first. The same file again gives the same version.

    Parameters
    ----------
    models, artifacts
        The stores.
    name : str
        Of the model.
    digest : str
        The artifact with the file.
    job : str, optional
        The job that made it.

    Raises
    ------
    NotFound
        There is no such artifact.
    InvalidInput
        It is no model's file (`core.errors.UnsupportedMedia`), or ``name`` is malformed.
    TooLarge
        As `core.nets.model.load`.
    """
    with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
        model = load(artifacts.fetch(digest, Path(scratch)))
    document = documents.write(artifacts, describe(model, job))
    return models.register(
        name,
        digest=digest,
        document=document,
        metrics=model.about.get("metrics", {}),
        job=job,
        artifacts=[document] if documents.is_artifact(document) else [],
    )


def describe(model: Model, job: str | None = None) -> dict[str, Any]:
    """Return what is known of a model besides its metrics, JSON-ready.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "dense", "features": 2}]
    >>> spec = NetSpec.model_validate({"input": [3], "layers": layers})
    >>> describe(Model(spec, Network(spec).init(seed=0)), "j")["lineage"]
    {'job': 'j'}
    """
    network = model.network
    return {
        "spec": model.spec.model_dump(mode="json", exclude_none=True),
        "input_shape": list(network.input_shape),
        "output_shape": list(network.output_shape),
        "classes": None if model.classes is None else list(model.classes),
        "parameters": network.parameter_count,
        "multiply_adds": network.multiply_adds,
        "lineage": model.about.get("lineage", {}) | ({} if job is None else {"job": job}),
        "warnings": [f"{name} holds NaN or an infinity" for name in model.nonfinite],
    }


def _result(artifacts: ArtifactStore, job: Job) -> str:
    listed = documents.read(artifacts, job.results)["results"] if job.results else []
    for result in listed:
        if result["name"] == MODEL:
            return str(result["digest"])
    raise InvalidInput(
        f"the job made no {MODEL}",
        field="job",
        given=[result["name"] for result in listed],
        accepted="a training that went to its end",
    )
