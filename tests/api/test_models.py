from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest

from core.nets.model import Model, dump, load
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.store.artifacts import ArtifactStore
from core.store.jobs import JobStore, Progress

Upload = Callable[[bytes], str]


def model_file(seed: int = 0, **about: Any) -> bytes:
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": layers})
    given = {"classes": ["cat", "dog"], "metrics": {"accuracy": 0.75}, "lineage": {"data": "d"}}
    return dump(Model(spec, Network(spec).init(seed=seed), given | about))


@pytest.fixture
def register(http: httpx.Client, upload: Upload) -> Callable[..., httpx.Response]:
    def send(name: str = "pets", seed: int = 0, **about: Any) -> httpx.Response:
        body = {"artifact": upload(model_file(seed, **about))}
        return http.post(f"/v1/models/{name}", json=body)

    return send


def test_a_file_becomes_a_version(http: httpx.Client, register: Any) -> None:
    response = register()
    assert response.status_code == 201
    assert response.headers["Location"] == "/v1/models/pets/versions/1"
    version = response.json()
    assert (version["model"], version["version"], version["job"]) == ("pets", 1, None)
    assert (version["metrics"], version["lineage"]) == ({"accuracy": 0.75}, {"data": "d"})
    assert (version["input_shape"], version["output_shape"]) == ([1, 3, 3], [2])
    assert (version["parameters"], version["classes"]) == (20, ["cat", "dog"])
    assert version["warnings"] == []
    assert http.get(version["links"]["self"]).json() == version
    again = register()
    assert (again.status_code, again.json()) == (200, version)
    assert register(seed=1).json()["version"] == 2


def test_the_model_of_a_job_becomes_a_version(
    http: httpx.Client, submit: Any, jobs: JobStore, artifacts: ArtifactStore
) -> None:
    job_id = submit()["id"]
    body = {"job": job_id}
    early = http.post("/v1/models/pets", json=body)
    assert (early.status_code, early.json()["field"]) == (409, "job")
    (claimed,) = jobs.claim(worker="w", pid=1, lease=30)
    attempt = claimed.attempt
    made = artifacts.put(model_file(), "application/x-safetensors")
    entry = {"name": "model.safetensors", "input": None} | made.to_dict()
    jobs.finish(
        job_id,
        attempt,
        "succeeded",
        progress=Progress(),
        timings={},
        results=json.dumps({"results": [entry], "failures": []}),
        artifacts=(made.digest,),
    )
    version = http.post("/v1/models/pets", json=body).json()
    assert version["job"] == version["lineage"]["job"] == job_id
    assert version["links"]["job"] == f"/v1/jobs/{job_id}"
    assert http.post("/v1/models/pets", json=body).status_code == 200


def test_the_file_and_the_onnx_file(http: httpx.Client, register: Any, tmp_path: Path) -> None:
    register()
    response = http.get("/v1/models/pets/versions/1/file")
    assert response.content == model_file()
    assert response.headers["Content-Type"] == "application/x-safetensors"
    disposition = response.headers["Content-Disposition"]
    assert disposition == 'attachment; filename="pets-1.safetensors"'
    head = http.head("/v1/models/pets/versions/1/file")
    assert head.headers["Content-Length"] == str(len(response.content))
    onnx = http.get("/v1/models/pets/versions/1/onnx")
    assert onnx.headers["Content-Type"] == "application/x-onnx"
    assert onnx.headers["Content-Disposition"] == 'attachment; filename="pets-1.onnx"'
    (tmp_path / "m").write_bytes(response.content)
    x = np.random.default_rng(0).standard_normal((4, 1, 3, 3)).astype(np.float32)
    (found,) = onnxruntime.InferenceSession(onnx.content).run(None, {"input": x})
    np.testing.assert_allclose(found, load(tmp_path / "m").run(x), rtol=1e-5, atol=1e-6)
    for answer in (response, onnx):
        seen = {"If-None-Match": answer.headers["ETag"]}
        assert http.get(answer.url.path, headers=seen).status_code == 304


def test_aliases(http: httpx.Client, register: Any) -> None:
    for seed in range(2):
        register(seed=seed)
    path = "/v1/models/pets/aliases/production"
    answer = http.put(path, json={"version": 1})
    assert (answer.status_code, answer.json()["aliases"]) == (200, {"production": 1})
    kept = http.delete("/v1/models/pets/versions/1")
    assert (kept.status_code, kept.json()["code"]) == (409, "conflict")
    assert http.put(path, json={"version": 2}).json()["aliases"] == {"production": 2}
    assert http.get("/v1/models/pets/versions/2").json()["aliases"] == ["production"]
    assert http.delete("/v1/models/pets/versions/1").status_code == 204
    assert http.get("/v1/models/pets/versions/1").status_code == 404
    assert http.delete(path).status_code == 204
    assert http.delete(path).status_code == 404


def test_pages(http: httpx.Client, register: Any) -> None:
    assert http.get("/v1/models").json() == {"models": [], "next": None}
    for name in ("b", "a", "c"):
        register(name)
    register("a", seed=1)
    page = http.get("/v1/models", params={"limit": 2}).json()
    assert ([model["name"] for model in page["models"]], page["next"]) == (["a", "b"], "b")
    assert (page["models"][0]["count"], page["models"][0]["latest"]) == (2, 2)
    page = http.get("/v1/models", params={"cursor": page["next"]}).json()
    assert ([model["name"] for model in page["models"]], page["next"]) == (["c"], None)
    model = http.get("/v1/models/a", params={"limit": 1}).json()
    assert ([v["version"] for v in model["versions"]], model["next"]) == ([2], 2)
    model = http.get("/v1/models/a", params={"cursor": model["next"]}).json()
    assert ([v["version"] for v in model["versions"]], model["next"]) == ([1], None)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "body", "invalid_input"),
        ({"job": "x"}, "job", "invalid_input"),
        ({"job": "0" * 20}, "job", "invalid_input"),
        ({"job": "0" * 20, "artifact": "sha256:" + "0" * 64}, "artifact", "invalid_input"),
        ({"artifact": "sha256:" + "0" * 64}, "artifact", "artifact_not_found"),
        ({"artifact": 3}, "artifact", "invalid_input"),
    ],
)
def test_origins_that_are_none(http: httpx.Client, body: Any, field: str, code: str) -> None:
    response = http.post("/v1/models/pets", json=body)
    problem = response.json()
    assert (response.status_code, problem["field"], problem["code"]) == (422, field, code)
    assert http.get("/v1/models/pets").status_code == 404


def test_names_aliases_and_versions_that_are_none(http: httpx.Client, register: Any) -> None:
    assert register("a b").json()["field"] == "model"
    register()
    for alias in ("latest", "3", "a b"):
        answer = http.put(f"/v1/models/pets/aliases/{alias}", json={"version": 1})
        assert (answer.status_code, answer.json()["field"]) == (422, "alias")
    for version in (0, "1", True, 2**53):
        answer = http.put("/v1/models/pets/aliases/best", json={"version": version})
        assert (answer.status_code, answer.json()["field"]) == (422, "version")
    assert http.put("/v1/models/pets/aliases/best", json={"version": 2}).status_code == 404


def test_what_is_no_model_is_refused(http: httpx.Client, upload: Upload) -> None:
    answer = http.post("/v1/models/pets", json={"artifact": upload(b"no model at all")})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsupported_media")
