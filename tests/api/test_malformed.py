"""Bodies, paths and headers that no client should send: always a problem, never a 500."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.body import MAX_BYTES

DIGEST = "sha256:" + "0" * 64
JSON = {"Content-Type": "application/json"}


def check_problem(response: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert response.status_code in statuses, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    assert problem["type"] == f"urn:convq:problem:{problem['code']}"
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"convolve"',
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"kind": NaN}',
        b'{"kind": "convolve", "cval": Infinity}',
        b'{"kind": "convolve", "cval": 1e999}',
        b'{"kind": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"kind": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"kind": "\\u0000"}',
        b'{"kind": "convolve", "label": "\\udc00"}',
    ],
    ids=range(17),
)
def test_bodies(http: httpx.Client, body: bytes) -> None:
    for path in ("/v1/jobs", "/v1/plans"):
        problem = check_problem(http.post(path, content=body, headers=JSON), 422)
        assert problem["code"] == "invalid_input"
        assert problem["field"]
        assert problem["accepted"]
        assert "given" in problem or "this is required" in problem["detail"]


@pytest.mark.parametrize(
    "fields",
    [
        {"kernel": {"values": [[float("1e308"), 1]]}},
        {"kernel": {"values": [10**400]}},
        {"kernel": {"values": [[[[[[1]]]]]]}},
        {"kernel": {"values": [True]}},
        {"kernel": {"preset": "gaussian", "sigma": 10**300}},
        {"kernel": {"preset": "\x00"}},
        {"axes": [10**30]},
        {"axes": [0, 0]},
        {"cval": 10**400},
        {"inputs": [{"artifact": DIGEST, "name": "\x00"}]},
    ],
    ids=range(10),
)
def test_extreme_values(http: httpx.Client, body: dict[str, Any], fields: dict[str, Any]) -> None:
    check_problem(http.post("/v1/plans", json=body | fields), 422)


def test_a_label_with_any_text_survives(
    http: httpx.Client, submit: Callable[..., dict[str, Any]]
) -> None:
    label = 'nul \x00, emoji 🐈, quote " and \u2028'
    job = submit(label=label)
    assert job["label"] == label
    (found,) = http.get("/v1/jobs", params={"label": label}).json()["jobs"]
    assert found["id"] == job["id"]


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_does_not_say_json(http: httpx.Client, media_type: str | None) -> None:
    headers = {} if media_type is None else {"Content-Type": media_type}
    problem = check_problem(http.post("/v1/jobs", content=b"{}", headers=headers), 415)
    assert (problem["field"], problem["accepted"]) == ("Content-Type", "application/json")


def test_a_charset_is_no_obstacle(http: httpx.Client, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    content = json.dumps(body).encode()
    assert http.post("/v1/plans", content=content, headers=headers).status_code == 200


def test_a_huge_body(http: httpx.Client) -> None:
    for path in ("/v1/jobs", "/v1/plans"):
        content = b'{"kind": "' + b"x" * MAX_BYTES + b'"}'
        problem = check_problem(http.post(path, content=content, headers=JSON), 413)
        assert (problem["code"], problem["field"]) == ("too_large", "body")
        assert problem["given"] == f"{len(content)} bytes"
        assert "at most 10000 inputs" in problem["accepted"]
        pieces = (content[start : start + 65536] for start in range(0, len(content), 65536))
        check_problem(http.post(path, content=pieces, headers=JSON), 413)


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "irregular-convolve", "at": [None] * 1_000_000},
        {"kind": "convolve", "kernel": {"values": [[None] * 1_000] * 1_000}},
        {"kind": "convolve"} | {f"x{n}": 0 for n in range(300_000)},
        {"kind": "train", "model": {"layers": [{"mean": [None] * 60_000}] * 10}},
    ],
    ids=["list", "lists", "fields", "deep"],
)
def test_a_body_of_very_many_values_costs_nothing(http: httpx.Client, document: Any) -> None:
    problem = check_problem(http.post("/v1/plans", json=document), 413)
    assert (problem["code"], problem["field"]) == ("too_large", "body")
    assert "130000 values" in problem["given"]


def test_unknown_paths_and_methods(http: httpx.Client) -> None:
    problem = check_problem(http.get("/v1/nothing"), 404)
    assert problem["given"] == "/v1/nothing"
    for path, allowed in (
        ("/v1/jobs", "GET, HEAD, POST"),
        (f"/v1/artifacts/{DIGEST}", "GET, HEAD"),
        ("/healthz", "GET"),
    ):
        response = http.put(path)
        assert check_problem(response, 405)["code"] == "method_not_allowed"
        assert response.headers["Allow"] == allowed


def test_a_defect_shows_no_internals(
    http: httpx.Client, app: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(app.state.services.jobs, "counts", fail)
    response = http.get("/v1/queue")
    assert check_problem(response, 500)["code"] == "internal"
    assert "secret" not in response.text
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "secret" in caplog.text


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["preset", "values", "artifact", "sigma", "x"]), inner)
    ),
    max_leaves=5,
)
NAMES = "kind inputs kernel mode boundary cval axes normalize operation method output range label x"
FIELDS = st.sampled_from(NAMES.split())


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(fields=st.dictionaries(FIELDS, JSON_VALUES, min_size=1, max_size=3))
def test_any_json_gets_an_answer(
    http: httpx.Client, body: dict[str, Any], fields: dict[str, Any]
) -> None:
    content = json.dumps(body | fields)
    response = http.post("/v1/plans", content=content, headers=JSON)
    assert response.status_code in (200, 413, 422), response.text
    if response.status_code != 200:
        problem = check_problem(response, 413, 422)
        assert problem["field"]
        assert problem["accepted"]
