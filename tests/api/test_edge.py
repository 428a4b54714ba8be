"""The routes of the edge: what operators and boxes may ask, and what they are answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec

HEALTH: dict[str, Any] = {
    "version": None,
    "proved": False,
    "refused": None,
    "latency": {"p50": None, "p95": None, "p99": None, "count": 0},
    "memory": 30_000_000,
    "watts": {"VDD_IN": 4.2},
    "celsius": {"CPU": 51.0},
    "throttled": [],
    "spool": {"waiting": 0, "bytes": 80, "delivered": 0},
    "uptime": 3.5,
    "board": "NVIDIA Jetson Nano",
    "notes": [],
    "problem": None,
}
SPOOL = "0123456789abcdef"


@pytest.fixture(scope="session")
def bundle() -> Callable[[int], bytes]:
    """Return a function that makes the bundle of a small net."""
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": layers})
    model, key = Model(spec, Network(spec).init(seed=0), {}), SigningKey.new()
    return lambda sequence: build(model, profile("x86"), key, name="net", sequence=sequence)


@pytest.fixture
def box(http: httpx.Client) -> Callable[..., dict[str, str]]:
    """Return a function that enrols a box and gives the headers that carry its key."""

    def make(secret: str = "s", group: str = "cams", **more: str) -> dict[str, str]:
        made = http.post(f"/v1/edge/groups/{group}/tokens", json={}, headers=more)
        assert made.status_code == 201, made.text
        body = {"token": made.json()["token"], "group": group, "digest": digest_of(secret)}
        enrolled = http.post("/v1/edge/enrol", json=body | {"name": "box-1", "board": "Nano"})
        assert enrolled.status_code == 200, enrolled.text
        return {"Authorization": f"Bearer convq_{enrolled.json()['box']}_{secret}"}

    return make


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def roll_out(http: httpx.Client, content: bytes, group: str = "cams") -> dict[str, Any]:
    digest = http.post("/v1/artifacts", content=content).json()["digest"]
    answer = http.post(f"/v1/edge/groups/{group}/rollout", json={"artifact": digest})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_from_the_token_to_the_results(
    http: httpx.Client, box: Callable[..., dict[str, str]], bundle: Callable[[int], bytes]
) -> None:
    key = box()
    nothing = http.get("/v1/edge/box/release", headers=key)
    assert nothing.json() == {"digest": None, "size": None, "sequence": None, "name": None}
    unchanged = {"If-None-Match": nothing.headers["etag"]}
    assert http.get("/v1/edge/box/release", headers=key | unchanged).status_code == 304

    content = bundle(3)
    group = roll_out(http, content)
    assert (group["rollout"]["state"], group["rollout"]["chosen"]) == ("rolling", 1)
    assert group["rollout"]["release"]["profile"] == "x86"
    wanted = http.get("/v1/edge/box/release", headers=key | unchanged)
    assert (wanted.status_code, wanted.json()["sequence"]) == (200, 3)
    digest = wanted.json()["digest"]
    path = f"/v1/edge/box/bundles/{digest}"
    assert http.get(path, headers=key).content == content
    part = http.get(path, headers=key | {"Range": "bytes=10-"})
    assert (part.status_code, part.content) == (206, content[10:])
    other = "sha256:" + "0" * 64
    assert http.get(f"/v1/edge/box/bundles/{other}", headers=key).status_code == 404

    version = {"digest": digest, "sequence": 3, "name": "net"}
    health = HEALTH | {"version": version, "proved": True}
    assert http.post("/v1/edge/box/health", json=health, headers=key).status_code == 200
    (group,) = http.get("/v1/edge/groups").json()["groups"]
    assert (group["rollout"]["state"], group["release"]["sequence"]) == ("done", 3)
    (shown,) = http.get("/v1/edge/groups/cams/boxes").json()["boxes"]
    assert (shown["name"], shown["board"], shown["health"]) == ("box-1", "Nano", health)

    body = {"spool": SPOOL, "before": 0, "results": [{"class": 1}, {"class": 2}]}
    for _ in range(2):
        answer = http.post("/v1/edge/box/results", json=body, headers=key)
        assert answer.json() == {"received": 2}
    gap = http.post("/v1/edge/box/results", json=body | {"before": 3}, headers=key)
    assert (gap.status_code, gap.json()["field"]) == (409, "before")
    found = http.get("/v1/edge/groups/cams/results").json()
    (delivery,) = found["deliveries"]
    assert (delivery["count"], delivery["before"], found["next"]) == (2, 0, None)
    lines = http.get(f"/v1/artifacts/{delivery['artifact']}").text.splitlines()
    assert len(lines) == 2
    later = http.get(f"/v1/edge/groups/cams/results?cursor={delivery['id']}").json()
    assert later["deliveries"] == []

    assert http.delete(f"/v1/edge/boxes/{shown['id']}").status_code == 204
    assert http.get("/v1/edge/box/release", headers=key).status_code == 401
    assert http.delete(f"/v1/edge/boxes/{shown['id']}").status_code == 404


def test_a_refusal_stops_the_roll_out(
    http: httpx.Client, box: Callable[..., dict[str, str]], bundle: Callable[[int], bytes]
) -> None:
    key = box()
    digest = roll_out(http, bundle(3))["rollout"]["release"]["digest"]
    refused = {"digest": digest, "why": "the self-test failed"}
    http.post("/v1/edge/box/health", json=HEALTH | {"refused": refused}, headers=key)
    rollout = http.get("/v1/edge/groups/cams").json()["rollout"]
    assert rollout["state"] == "stopped"
    assert "the self-test failed" in rollout["reason"]
    assert http.post("/v1/edge/groups/cams/rollout/resume").json()["rollout"]["state"] == "done"
    assert http.post("/v1/edge/groups/cams/rollout/stop").status_code == 409


def test_what_is_no_bundle(http: httpx.Client, bundle: Callable[[int], bytes]) -> None:
    whole = bundle(1)
    for content in (b"nothing", whole[: len(whole) // 2]):
        digest = http.post("/v1/artifacts", content=content).json()["digest"]
        answer = http.post("/v1/edge/groups/cams/rollout", json={"artifact": digest})
        assert (answer.status_code, answer.json()["field"]) == (422, "artifact")
    missing = {"artifact": "sha256:" + "0" * 64}
    answer = http.post("/v1/edge/groups/cams/rollout", json=missing)
    assert answer.json()["code"] == "artifact_not_found"
    assert http.get("/v1/edge/groups").json() == {"groups": []}
    roll_out(http, bundle(2))
    digest = http.post("/v1/artifacts", content=bundle(1)).json()["digest"]
    older = http.post("/v1/edge/groups/cams/rollout", json={"artifact": digest})
    assert (older.status_code, older.json()["field"]) == (409, "sequence")


@pytest.mark.parametrize("stages", [[], [50], [50, 50, 100], [100, 50], [0, 100], [101]])
def test_stages(http: httpx.Client, stages: list[int]) -> None:
    body = {"artifact": "sha256:" + "0" * 64, "stages": stages}
    answer = http.post("/v1/edge/groups/cams/rollout", json=body)
    assert (answer.status_code, answer.json()["field"].split(".")[0]) == (422, "stages")


def test_only_a_box_speaks_for_a_box(
    keyed: httpx.Client, key: Callable[..., dict[str, str]]
) -> None:
    for headers in (key("edge"), key("admin")):
        answer = keyed.get("/v1/edge/box/release", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert keyed.get("/v1/edge/box/release").status_code == 401
    for scope in ("submit", "read", "edge"):
        path = "/v1/edge/groups/cams/tokens"
        assert keyed.post(path, json={}, headers=key(scope)).status_code == 403
    body = {"token": "convqbox_aaaaaaaaaa_x", "group": "cams", "digest": "0" * 64, "name": "n"}
    answer = keyed.post("/v1/edge/enrol", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, "token")


def test_a_box_sees_its_own_tenant(
    keyed: httpx.Client, key: Callable[..., dict[str, str]], bundle: Callable[[int], bytes]
) -> None:
    ours, theirs = key(tenant="ours"), key(tenant="theirs")
    token = keyed.post("/v1/edge/groups/cams/tokens", json={}, headers=ours).json()["token"]
    body = {"token": token, "group": "cams", "digest": digest_of("s"), "name": "n"}
    box = keyed.post("/v1/edge/enrol", json=body).json()["box"]
    as_box = {"Authorization": f"Bearer convq_{box}_s"}
    assert keyed.get("/v1/edge/groups/cams/boxes", headers=theirs).status_code == 404
    assert keyed.delete(f"/v1/edge/boxes/{box}", headers=theirs).status_code == 404
    for verb in ("stop", "resume"):
        path = f"/v1/edge/groups/cams/rollout/{verb}"
        assert keyed.post(path, headers=theirs).status_code == 404
    digest = keyed.post("/v1/artifacts", content=bundle(1), headers=theirs).json()["digest"]
    wanted = {"artifact": digest}
    assert keyed.post("/v1/edge/groups/cams/rollout", json=wanted, headers=ours).status_code == 422
    made = keyed.post("/v1/edge/groups/cams/rollout", json=wanted, headers=theirs)
    assert made.status_code == 200
    assert keyed.get("/v1/edge/box/release", headers=as_box).json()["digest"] is None
    path = f"/v1/edge/box/bundles/{digest}"
    assert keyed.get(path, headers=as_box).status_code == 404
    # Nor does a box read anything else.
    assert keyed.get("/v1/jobs", headers=as_box).status_code == 403
    assert keyed.get(f"/v1/artifacts/{digest}", headers=as_box).status_code == 403


def test_a_report_is_bounded(http: httpx.Client, box: Callable[..., dict[str, str]]) -> None:
    key = box()
    for wrong in (
        {"watts": {f"rail {number}": 1.0 for number in range(65)}},
        {"notes": ["x"] * 21},
        {"problem": "x" * 2001},
        {"memory": -1},
        {"unknown": 1},
    ):
        answer = http.post("/v1/edge/box/health", json=HEALTH | wrong, headers=key)
        assert answer.status_code == 422, wrong


def test_no_report_makes_boxes_unreadable(
    http: httpx.Client, box: Callable[..., dict[str, str]]
) -> None:
    # A number that JSON allows and that no answer could repeat.
    body = json.dumps(HEALTH).replace("3.5", "1e999")
    headers = box() | {"Content-Type": "application/json"}
    assert http.post("/v1/edge/box/health", content=body, headers=headers).status_code == 422
    assert http.get("/v1/edge/groups/cams/boxes").status_code == 200


def test_boxes_store_no_more_than_others(
    http_with: Callable[..., httpx.Client], box: Callable[..., dict[str, str]]
) -> None:
    body = {"spool": SPOOL, "before": 0, "results": [{"class": 1}]}
    key = box()
    full = http_with(max_stored_of_tenant=10)
    answer = full.post("/v1/edge/box/results", json=body, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert full.get("/v1/edge/groups/cams/results").json()["deliveries"] == []


def test_who_is_not_known_yet_is_listened_to_for_a_short_time(http: httpx.Client) -> None:
    answer = http.post("/v1/edge/enrol", json={"token": "x" * 20_000})
    assert (answer.status_code, answer.json()["accepted"][:14]) == (413, "at most 16384 ")
