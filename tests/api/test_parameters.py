"""Unknown parameters and malformed ids, on every route that there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from core.settings import Settings

DIGEST = "sha256:" + "0" * 64
UNKNOWN = {
    "{job_id}": "0" * 20,
    "{digest}": DIGEST,
    "{name}": "a.npy",
    "{model}": "digits",
    "{version}": "1",
    "{alias}": "production",
}
MALFORMED = ("x", "0" * 19, "0" * 21, "O" * 20, "0" * 20 + "%0A", "%00", "a%20b:events")


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    # Describing itself, the application connects to nothing.
    app: FastAPI = create_app(Settings(store_url="memory://"))
    return [
        (method.upper(), path, operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


OPERATIONS = operations()


def send(
    http: httpx.Client, method: str, path: str, ids: dict[str, str], query: str = ""
) -> httpx.Response:
    for name, value in ids.items():
        path = path.replace(name, value)
    body = {"json": {}} if method in ("POST", "PUT") else {}
    return http.request(method, f"{path}{query}", **body)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_unknown_parameters(
    http: httpx.Client, method: str, path: str, operation: dict[str, Any]
) -> None:
    parameters = operation.get("parameters", [])
    known = [parameter["name"] for parameter in parameters if parameter["in"] == "query"]
    response = send(http, method, path, UNKNOWN, "?stat=queued")
    assert response.status_code == 422
    assert "422" in operation["responses"]
    if method != "HEAD":
        problem = response.json()
        assert (problem["code"], problem["field"]) == ("invalid_input", "stat")
        assert problem["given"] == "queued"
        assert problem["accepted"] == (known or "no parameters at this path")


def test_the_known_ones_are_named(http: httpx.Client) -> None:
    accepted = http.get("/v1/jobs?stat=queued").json()["accepted"]
    assert accepted == ["state", "kind", "label", "limit", "cursor", "tenant"]


def test_nothing_is_done_before_the_refusal(
    http: httpx.Client, body: dict[str, Any], submit: Callable[..., dict[str, Any]]
) -> None:
    job = submit()
    assert http.post(f"{job['links']['cancel']}?force=1").status_code == 422
    assert http.get(job["links"]["self"]).json()["state"] == "queued"
    assert http.post("/v1/jobs?wait=1", json=body).status_code == 422
    assert len(http.get("/v1/jobs").json()["jobs"]) == 1


@pytest.mark.parametrize("malformed", MALFORMED)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        (method, path)
        for method, path, _ in OPERATIONS
        # Boxes are asked who they are first.
        if ("{job_id}" in path or "{digest}" in path) and not path.startswith("/v1/edge/box/")
    ],
)
def test_a_malformed_id_is_unknown(
    http: httpx.Client, method: str, path: str, malformed: str
) -> None:
    field = "digest" if "{digest}" in path else "id"
    ids = UNKNOWN | {"{job_id}": malformed, "{digest}": malformed}
    response = send(http, method, path, ids)
    assert response.status_code == 404
    if method != "HEAD":
        problem = response.json()
        assert (problem["code"], problem["field"]) == ("not_found", field)
        assert problem["accepted"].startswith('text like "')
        assert send(http, method, path, UNKNOWN).json()["code"] == "not_found"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/models/a%20b", "model"),
        ("/v1/models/.a", "model"),
        (f"/v1/models/{'a' * 65}/versions/1", "model"),
        ("/v1/models/a/versions/0", "version"),
        ("/v1/models/a/versions/production/file", "version"),
        (f"/v1/models/a/versions/{'9' * 16}/onnx", "version"),
    ],
)
def test_a_malformed_model_is_unknown(http: httpx.Client, path: str, field: str) -> None:
    response = http.get(path)
    assert response.status_code == 404
    assert (response.json()["code"], response.json()["field"]) == ("not_found", field)
