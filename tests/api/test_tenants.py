"""Whatever one tenant asks, the answer is the one that would come if another had never been.

Every operation is asked with the names of another tenant's things, once while these things exist
and once in a service that never had them; the answers must be the same.
"""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from api.access import Guarded, scopes_of
from core.conv.device import cpu
from core.nets.model import Model, dump
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.edge import EdgeStore
from core.store.edge_results import EdgeResults
from core.store.jobs import JobStore, Progress
from core.store.models import ModelStore
from core.store.workers import WorkerStore

Names = dict[str, str]

LAYERS = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]


def model_file(seed: int) -> bytes:
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": LAYERS})
    return dump(Model(spec, Network(spec).init(seed=seed), {}))


def npy(value: float) -> bytes:
    file = io.BytesIO()
    np.save(file, np.full((6, 5), value, dtype=np.float32))
    return file.getvalue()


def job_of(digest: str, **more: Any) -> dict[str, Any]:
    return {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box", "size": 3}} | more


def theirs(client: redis.Redis, settings: Settings) -> Names:
    """Let the tenant ``theirs`` have one of everything; return what it is called."""
    jobs = JobStore(client).of("theirs")
    artifacts = ArtifactStore(settings.store_url, client).of("theirs")
    models = ModelStore(client).of("theirs")
    picture = artifacts.put(npy(1), "application/x-npy", (6, 5), "float32").digest
    model = artifacts.put(model_file(1), "application/x-safetensors").digest
    made = artifacts.put(npy(2), "application/x-npy", (6, 5), "float32")
    large = documents.write(artifacts, {"results": [{"name": "x" * 9000}], "failures": []})
    for name, lots in (("ended", {}), ("running", {}), ("queued", {"label": "secret"})):
        job, _ = jobs.submit(
            kind="convolve",
            spec="{}",
            artifacts=[picture],
            idempotency_key=f"key-{name}",
            fingerprint="theirs",
            **lots,
        )
        if name == "queued":
            queued = job.id
            continue
        (claimed,) = jobs.claim(worker="worker-1", pid=1, lease=60)
        if name == "running":
            running = claimed.id
            continue
        ended = claimed.id
        entry = {"name": "out.npy", "input": picture} | made.to_dict()
        jobs.finish(
            ended,
            claimed.attempt,
            "succeeded",
            progress=Progress(),
            timings={},
            results=json.dumps({"results": [entry], "failures": []}),
            artifacts=(made.digest, model),
        )
    document = {
        "spec": {"input": [1, 3, 3], "layers": LAYERS},
        "input_shape": [1, 3, 3],
        "output_shape": [2],
        "classes": None,
        "parameters": 20,
        "multiply_adds": 18,
        "lineage": {},
        "warnings": [],
    }
    models.register("pets", digest=model, document=json.dumps(document), metrics={}, job=ended)
    models.point("pets", "best", 1)
    edge = EdgeStore(client).of("theirs")
    box = edge.enrol(edge.invite("cams", 60), "cams", digest="0" * 64, name="box", about={})
    EdgeResults(client).take(artifacts, edge.box(box), "a" * 16, 0, [{"class": 1}])
    return {
        "picture": picture,
        "model": model,
        "made": made.digest,
        "large": large,
        "ended": ended,
        "running": running,
        "queued": queued,
    }


def ours(http: httpx.Client) -> Names:
    picture = http.post("/v1/artifacts", content=npy(3)).json()["digest"]
    model = http.post("/v1/artifacts", content=model_file(2)).json()["digest"]
    return {"our_picture": picture, "our_model": model}


# By operation: method, path and body; what it is called is put in. The last of all is the upload of
# the very bytes, after which they are rightly had.
def probes(n: Names) -> Iterator[tuple[str, str, str, Any, dict[str, str]]]:
    def ask(operation: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        return operation, method, path, body, headers

    digests = [n[name] for name in ("picture", "model", "made", "large")]
    for digest in digests:
        yield ask("get_artifact", "GET", f"/v1/artifacts/{digest}")
        # An answer of 304 would tell that it is there.
        yield ask("get_artifact", "GET", f"/v1/artifacts/{digest}", **{"If-None-Match": "*"})
        yield ask("head_artifact", "HEAD", f"/v1/artifacts/{digest}")
        yield ask("plan_job", "POST", "/v1/plans", job_of(digest))
        yield ask("submit_job", "POST", "/v1/jobs", job_of(digest))
        yield ask("submit_jobs", "POST", "/v1/jobs/batch", {"jobs": [{"job": job_of(digest)}]})
        yield ask("register_model", "POST", "/v1/models/pets", {"artifact": digest})
        kernel = {"artifact": digest}
        yield ask("plan_job", "POST", "/v1/plans", job_of(n["our_picture"], kernel=kernel))
    for model in ("pets", "pets@best", "pets@1", n["model"]):
        body = {"kind": "predict", "inputs": [n["our_picture"]], "model": model}
        yield ask("plan_job", "POST", "/v1/plans", body)
        yield ask("submit_job", "POST", "/v1/jobs", body)
    for job in (n["ended"], n["running"], n["queued"]):
        path = f"/v1/jobs/{job}"
        yield ask("get_job", "GET", path)
        yield ask("get_job_body", "GET", f"{path}/body")
        yield ask("get_job_events", "GET", f"{path}/events")
        yield ask("get_job_events", "GET", f"{path}/events", **{"Last-Event-ID": "9" * 18})
        yield ask("get_job_logs", "GET", f"{path}/logs")
        yield ask("get_job_results", "GET", f"{path}/results")
        yield ask("get_job_result", "GET", f"{path}/results/out.npy")
        yield ask("get_job_result", "GET", f"{path}/results/out.npy", **{"If-None-Match": "*"})
        yield ask("head_job_result", "HEAD", f"{path}/results/out.npy")
        yield ask("cancel_job", "POST", f"{path}/cancel")
        yield ask("retry_job", "POST", f"{path}/retry")
        yield ask("delete_job", "DELETE", path)
        yield ask("register_model", "POST", "/v1/models/pets", {"job": job})
        yield ask("list_jobs", "GET", f"/v1/jobs?cursor={job}")
    lists = ("", "?state=queued", "?kind=convolve", "?label=secret", "?limit=1", "?tenant=ours")
    for query in (*lists, "?tenant=theirs", "?tenant=*", "?tenant=nobody"):
        yield ask("list_jobs", "GET", f"/v1/jobs{query}")
        yield ask("head_jobs", "HEAD", f"/v1/jobs{query}")
    for state in ("running", "succeeded"):
        yield ask("list_jobs", "GET", f"/v1/jobs?state={state}")
    version = "/v1/models/pets/versions/1"
    yield ask("list_edge_groups", "GET", "/v1/edge/groups")
    yield ask("get_edge_group", "GET", "/v1/edge/groups/cams")
    yield ask("list_edge_boxes", "GET", "/v1/edge/groups/cams/boxes")
    yield ask("list_edge_results", "GET", "/v1/edge/groups/cams/results")
    # Of these a box asks, with a key of its own.
    yield ask("get_edge_release", "GET", "/v1/edge/box/release")
    yield ask("get_edge_bundle", "GET", f"/v1/edge/box/bundles/{n['picture']}")
    yield ask("report_edge_health", "POST", "/v1/edge/box/health", {})
    yield ask("deliver_edge_results", "POST", "/v1/edge/box/results", {})
    yield ask("claim_edge_job", "POST", "/v1/edge/box/jobs", {})
    for job in (n["running"], n["queued"]):
        path = f"/v1/edge/box/jobs/{job}"
        yield ask("get_edge_input", "GET", f"{path}/inputs/{n['picture']}")
        for operation in ("renew", "release", "finish"):
            yield ask(f"{operation}_edge_job", "POST", f"{path}/{operation}", {"attempt": 1})
    on = {"kind": "predict", "inputs": [n["our_picture"]], "model": n["our_model"], "on": "cams"}
    yield ask("plan_job", "POST", "/v1/plans", on)
    yield ask("submit_job", "POST", "/v1/jobs", on)
    enrolment = {"token": "convqbox_aaaaaaaaaa_x", "group": "cams", "digest": "0" * 64}
    yield ask("enrol_edge_box", "POST", "/v1/edge/enrol", enrolment | {"name": "n"})
    yield ask("list_models", "GET", "/v1/models")
    yield ask("get_model", "GET", "/v1/models/pets")
    yield ask("get_model_version", "GET", version)
    yield ask("get_model_file", "GET", f"{version}/file")
    yield ask("get_model_file", "GET", f"{version}/file", **{"If-None-Match": "*"})
    yield ask("head_model_file", "HEAD", f"{version}/file")
    yield ask("get_model_onnx", "GET", f"{version}/onnx")
    yield ask("get_model_onnx", "GET", f"{version}/onnx", **{"If-None-Match": "*"})
    yield ask("set_model_alias", "PUT", "/v1/models/pets/aliases/best", {"version": 1})
    yield ask("delete_model_alias", "DELETE", "/v1/models/pets/aliases/best")
    yield ask("delete_model_version", "DELETE", version)
    for name in ("ended", "running", "queued"):
        key = f"key-{name}"
        body = job_of(n["our_picture"])
        yield ask("submit_job", "POST", "/v1/jobs", body, **{"Idempotency-Key": key})
        batch = {"jobs": [{"job": body, "idempotency_key": f"{key}-2"}]}
        yield ask("submit_jobs", "POST", "/v1/jobs/batch", batch)
    yield ask("register_model", "POST", "/v1/models/pets", {"artifact": n["our_model"]})
    yield ask("get_queue", "GET", "/v1/queue")
    yield ask("list_workers", "GET", "/v1/workers")
    yield ask("get_stats", "GET", "/v1/stats")
    yield ask("get_history", "GET", "/v1/stats/history?window=day")
    yield ask("get_readiness", "GET", "/readyz")
    yield ask("get_health", "GET", "/healthz")
    yield ask("list_kinds", "GET", "/v1/kinds")
    yield ask("upload_artifact", "POST", "/v1/artifacts", npy(1))
    yield ask("upload_artifact", "POST", "/v1/artifacts", npy(1))


# Operators see and do what concerns all tenants.
OF_OPERATORS = {
    *("get_metrics", "get_storage", "get_garbage", "get_plan_figures"),
    *("pause_queue", "resume_queue", "drain_worker", "resume_worker"),
}
# The administrators of a tenant do; tests/api/test_edge.py asks with those of another.
OF_ADMINISTRATORS = {
    *("create_edge_token", "begin_edge_rollout", "stop_edge_rollout", "resume_edge_rollout"),
    "remove_edge_box",
}

_ID = re.compile(r"\b[0-9abcdefghjkmnpqrstvwxyz]{20}\b")
_ONCE = {"trace", "timings", "created", "started", "finished", "last_seen", "oldest_seconds"}
# When it was asked, and in which buckets of time things happened; the total is compared.
_ONCE |= {"at", "seconds", "points"}


def plain(value: Any, known: set[str]) -> Any:
    """Return an answer without what is of this answer alone: times, traces, ids that are new."""
    if isinstance(value, dict):
        return {k: plain(v, known) for k, v in value.items() if k not in _ONCE}
    if isinstance(value, list):
        return [plain(entry, known) for entry in value]
    if isinstance(value, str):
        return _ID.sub(lambda found: found[0] if found[0] in known else "(new)", value)
    return value


def seen(http: httpx.Client, names: Names) -> list[Any]:
    known = set(names.values())
    answers = []
    for operation, method, path, body, headers in probes(names):
        sent = {"content": body} if isinstance(body, bytes) else {"json": body} if body else {}
        with http.stream(method, path, headers=headers, **sent) as response:
            # The events of a job that runs would never end.
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                answers.append((operation, path, response.status_code, {}, "events"))
                continue
            response.read()
        json_type = "json" in response.headers.get("content-type", "")
        told = plain(response.json() if json_type and response.content else response.text, known)
        shown = plain(dict(response.headers), known)
        for name in ("date", "traceparent", "content-length"):
            shown.pop(name, None)
        answers.append((operation, f"{method} {path}", response.status_code, shown, told))
    return answers


@pytest.fixture
def service(
    keyed: httpx.Client, key: Callable[..., dict[str, str]], client: redis.Redis, settings: Settings
) -> Callable[..., Any]:
    """Return a function that begins with an empty service and gives a tenant's view of it."""

    def begin() -> Callable[[str], httpx.Client]:
        client.flushall()
        about = {"device": vars(cpu()), "host": "a", "pid": 1, "versions": {}}
        WorkerStore(client, settings).beat("worker-1", about)
        # However long the questions take, it stays up.
        client.zadd("convq:workers", {"worker-1": time.time() + 3600})

        def as_tenant(tenant: str) -> httpx.Client:
            headers = key("submit", "read", "edge", tenant=tenant, rate=0)
            return httpx.Client(base_url=keyed.base_url, headers=headers, timeout=30)

        return as_tenant

    return begin


def test_answers_do_not_depend_on_what_others_have(
    service: Callable[..., Any], client: redis.Redis, settings: Settings
) -> None:
    as_tenant = service()
    names = theirs(client, settings)
    before = {name: client.dump(name) for name in client.keys("convq:tenant:theirs:*")}
    with as_tenant("ours") as http:
        names |= ours(http)
        with_theirs = seen(http, names)
    after = {name: client.dump(name) for name in client.keys("convq:tenant:theirs:*")}
    assert before == after
    assert len(before) > 5
    job = JobStore(client)
    assert [job.get(names[name]).state for name in ("ended", "running", "queued")] == [
        "succeeded",
        "running",
        "queued",
    ]
    as_tenant = service()
    with as_tenant("ours") as http:
        ours(http)
        without = seen(http, names)
    for one, other in zip(with_theirs, without, strict=True):
        assert one == other


def test_the_probes_are_answered_otherwise_to_who_has_the_things(
    service: Callable[..., Any], client: redis.Redis, settings: Settings
) -> None:
    """A probe that nobody gets an answer to would prove nothing."""
    answered: dict[str, set[int]] = {}
    refused: dict[str, set[int]] = {}
    for tenant, found in (("theirs", answered), ("ours", refused)):
        as_tenant = service()
        names = theirs(client, settings)
        with as_tenant(tenant) as http:
            names |= ours(http)
            for operation, _, status, *_ in seen(http, names):
                found.setdefault(operation, set()).add(status)
    about_things = {
        *("get_artifact", "head_artifact", "get_job", "get_job_body", "get_job_events"),
        "get_job_logs",
        *(
            "get_job_results",
            "get_job_result",
            "head_job_result",
            "cancel_job",
            "delete_job",
            "get_model",
        ),
        *("get_model_version", "get_model_file", "head_model_file", "get_model_onnx"),
        *("set_model_alias", "delete_model_alias"),
        *("get_edge_group", "list_edge_boxes", "list_edge_results"),
    }
    for operation in about_things:
        assert refused[operation] == {404}, operation
        assert {200, 202, 204} & answered[operation], operation
    assert refused["upload_artifact"] == {200, 201}
    assert answered["upload_artifact"] == {200}


def test_there_is_a_decision_for_every_route(app: FastAPI) -> None:
    names = dict.fromkeys(
        ("picture", "model", "made", "large", "ended", "running", "queued", "our_picture"), "x"
    ) | {"our_model": "x"}
    probed = {operation for operation, *_ in probes(names)}
    found = set()
    for route in routes(app):
        if isinstance(route, Guarded):
            assert route.operation_id is not None
            found.add(route.operation_id)
            continue
        # What needs no key and tells of nobody's data: the documentation, and that batches are for
        # posts.
        path = getattr(route, "path", None)
        assert isinstance(route, APIRoute | Mount | Route)
        assert path in ("/", "/ui", "/openapi.json", "/docs", "/docs/assets", "/v1/jobs/batch"), (
            path
        )
    assert found == probed | OF_OPERATORS | OF_ADMINISTRATORS
    for operation in OF_OPERATORS | OF_ADMINISTRATORS:
        assert scopes_of(operation) == ("admin",)


def routes(app: Any) -> Iterator[Any]:
    for route in app.routes:
        included = getattr(route, "original_router", None)
        if included is None:
            yield route
        else:
            yield from routes(included)


def test_what_all_tenants_have_is_for_operators(
    service: Callable[..., Any],
    client: redis.Redis,
    settings: Settings,
    keyed: httpx.Client,
    key: Callable[..., dict[str, str]],
) -> None:
    as_tenant = service()
    names = theirs(client, settings)
    with as_tenant("ours") as http:
        assert http.get("/v1/queue").json()["counts"]["running"] == 0
        assert http.get("/v1/queue").json()["messages"] is None
        (worker,) = http.get("/v1/workers").json()["workers"]
        assert (worker["state"], worker["running"]) == ("up", None)
        for method, path in (
            ("GET", "/metrics"),
            ("GET", "/v1/stats/plans"),
            ("GET", "/v1/storage"),
            ("GET", "/v1/storage/garbage"),
            ("POST", "/v1/queue/pause"),
            ("POST", "/v1/queue/resume"),
            ("POST", "/v1/workers/worker-1/drain"),
            ("POST", "/v1/workers/worker-1/resume"),
        ):
            assert http.request(method, path).status_code == 403, path
    with as_tenant("theirs") as http:
        (worker,) = http.get("/v1/workers").json()["workers"]
        assert (worker["state"], worker["running"]) == ("busy", names["running"])
    operator = key("admin", tenant="operators")
    (worker,) = keyed.get("/v1/workers", headers=operator).json()["workers"]
    assert (worker["state"], worker["running"]) == ("busy", names["running"])
    assert keyed.get("/v1/queue", headers=operator).json()["messages"] == 0
    assert 'convq_jobs{state="running"} 1' in keyed.get("/metrics", headers=operator).text
    # An operator's key is of a tenant, too: it does not open other tenants' things.
    assert keyed.get(f"/v1/jobs/{names['ended']}", headers=operator).status_code == 404


def test_an_operator_lists_the_jobs_of_any_tenant_and_of_all(
    service: Callable[..., Any],
    client: redis.Redis,
    settings: Settings,
    keyed: httpx.Client,
    key: Callable[..., dict[str, str]],
) -> None:
    as_tenant = service()
    names = theirs(client, settings)
    with as_tenant("ours") as http:
        ours_names = ours(http)
        own = http.post("/v1/jobs", json=job_of(ours_names["our_picture"])).json()["id"]
        assert [job["id"] for job in http.get("/v1/jobs?tenant=ours").json()["jobs"]] == [own]
        for tenant in ("theirs", "nobody", "*"):
            refused = http.get("/v1/jobs", params={"tenant": tenant})
            assert (refused.status_code, refused.json()["field"]) == (403, "tenant")
        assert http.get("/v1/queue").json()["tenants"] is None
    operator = key("admin", tenant="operators")

    def listed(query: str) -> list[tuple[str, str]]:
        found, path = [], f"/v1/jobs?{query}"
        while path:
            page = keyed.get(path, headers=operator)
            found += [(job["id"], job["tenant"]) for job in page.json()["jobs"]]
            path = page.links["next"]["url"] if "next" in page.links else ""
        return found

    their_jobs = {(names[name], "theirs") for name in ("ended", "running", "queued")}
    assert listed("limit=50") == listed("tenant=nobody") == []
    assert set(listed("tenant=theirs")) == their_jobs
    everybody = listed("tenant=*&limit=1")
    assert everybody[0] == (own, "ours")
    assert set(everybody) == their_jobs | {(own, "ours")}
    assert len(everybody) == len(their_jobs) + 1
    assert listed("tenant=*&state=running") == [(names["running"], "theirs")]
    assert keyed.get("/v1/queue", headers=operator).json()["tenants"] == [
        "default",
        "ours",
        "theirs",
    ]
