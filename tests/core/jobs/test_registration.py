"""Registering what jobs made."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import redis

from core.errors import Conflict, InvalidInput, NotFound, UnsupportedMedia
from core.jobs.registration import register_artifact, register_job
from core.nets.model import Model, dump
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage
from core.store.jobs import Job, JobStore, Progress
from core.store.models import ModelStore


@pytest.fixture
def models(client: redis.Redis) -> ModelStore:
    return ModelStore(client)


@pytest.fixture(scope="module")
def model() -> Model:
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": layers})
    about = {
        "classes": ["cat", "dog"],
        "metrics": {"accuracy": 0.75},
        "lineage": {"data": "sha256:0", "convq": "0.1.0"},
    }
    return Model(spec, Network(spec).init(seed=0), about)


def ended(jobs: JobStore, artifacts: ArtifactStore, state: Any, **files: bytes) -> Job:
    """Return a job that ended with these results."""
    job, _ = jobs.submit(kind="train", spec="{}", artifacts=[])
    (claimed,) = jobs.claim(worker="w", pid=1, lease=60)
    attempt = claimed.attempt
    made = [
        {"name": name.replace("_", "."), "digest": artifacts.put(data, "application/x").digest}
        for name, data in files.items()
    ]
    jobs.finish(
        job.id,
        attempt,
        state,
        progress=Progress(),
        timings={},
        results=json.dumps({"results": made, "failures": []}),
        artifacts=tuple(entry["digest"] for entry in made),
    )
    return job


def test_the_model_of_a_job_becomes_a_version(
    models: ModelStore, jobs: JobStore, artifacts: ArtifactStore, model: Model
) -> None:
    job = ended(jobs, artifacts, "succeeded", a_png=b"a", model_safetensors=dump(model))
    version, is_new = register_job(models, jobs, artifacts, "pets", job.id)
    assert (version.number, version.job, is_new) == (1, job.id, True)
    assert version.metrics == {"accuracy": 0.75}
    document = documents.read(artifacts, version.document)
    assert document["lineage"] == {"data": "sha256:0", "convq": "0.1.0", "job": job.id}
    assert NetSpec.model_validate(document["spec"]) == model.spec
    shapes = (document["input_shape"], document["output_shape"], document["classes"])
    assert shapes == ([1, 3, 3], [2], ["cat", "dog"])
    assert (document["parameters"], document["multiply_adds"]) == (20, 18)
    assert document["warnings"] == []
    assert register_job(models, jobs, artifacts, "pets", job.id) == (version, False)
    assert register_job(models, jobs, artifacts, "others", job.id)[1]


def test_the_model_outlives_its_job(
    models: ModelStore, jobs: JobStore, artifacts: ArtifactStore, garbage: Garbage, model: Model
) -> None:
    job = ended(jobs, artifacts, "succeeded", model_safetensors=dump(model))
    version, _ = register_job(models, jobs, artifacts, "pets", job.id)
    jobs.delete(job.id)
    garbage.sweep(age=-1)
    assert artifacts.read(version.digest) == dump(model)


def test_large_documents_are_kept_with_the_version(
    models: ModelStore, artifacts: ArtifactStore, garbage: Garbage, model: Model
) -> None:
    large = replace(model, about=model.about | {"lineage": {"spec": ["x" * 99] * 99}})
    digest = artifacts.put(dump(large), "application/x").digest
    version, _ = register_artifact(models, artifacts, "pets", digest)
    assert documents.is_artifact(version.document)
    garbage.sweep(age=-1)
    assert documents.read(artifacts, version.document)["lineage"] == large.about["lineage"]
    assert version.job is None


def test_weights_that_are_no_numbers_are_told(
    models: ModelStore, artifacts: ArtifactStore, model: Model
) -> None:
    weights = model.weights | {"dense1.bias": np.array([np.nan, 0], np.float32)}
    digest = artifacts.put(dump(replace(model, weights=weights)), "application/x").digest
    version, _ = register_artifact(models, artifacts, "pets", digest)
    document = documents.read(artifacts, version.document)
    assert document["warnings"] == ["dense1.bias holds NaN or an infinity"]


def test_only_jobs_with_a_model_can_be_registered(
    models: ModelStore, jobs: JobStore, artifacts: ArtifactStore, model: Model
) -> None:
    with pytest.raises(NotFound, match="no such job"):
        register_job(models, jobs, artifacts, "pets", "nothing")
    failed = ended(jobs, artifacts, "failed", model_safetensors=dump(model))
    queued, _ = jobs.submit(kind="train", spec="{}", artifacts=[], priority="batch")
    for job in (queued, failed):
        with pytest.raises(Conflict, match="succeeded"):
            register_job(models, jobs, artifacts, "pets", job.id)
    other = ended(jobs, artifacts, "succeeded", cat_png=b"cat")
    with pytest.raises(InvalidInput, match=r"job: the job made no model.safetensors .*cat\.png"):
        register_job(models, jobs, artifacts, "pets", other.id)


def test_only_models_can_be_registered(models: ModelStore, artifacts: ArtifactStore) -> None:
    digest = artifacts.put(b"no model", "application/octet-stream").digest
    with pytest.raises(UnsupportedMedia):
        register_artifact(models, artifacts, "pets", digest)
    with pytest.raises(NotFound):
        register_artifact(models, artifacts, "pets", "sha256:" + "0" * 64)
