"""Jobs that are addressed to boxes, as those who submit them and the boxes see them."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
import scipy.special

from api.services import Services
from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.model import Model, dump
from core.nets.network import Network
from core.nets.spec import NetSpec

LAYERS = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
SIGNING = SigningKey.new()
IMAGES = np.random.default_rng(3).normal(size=(3, 1, 3, 3)).astype(np.float32)
OUTPUTS = np.array([[0.5, 2.0], [3.0, 1.0], [0.0, 0.25]], np.float32)

Put = Callable[[bytes], str]
Npy = Callable[[Any], bytes]


class Group:
    """A group of boxes that run a bundle, and a model for their jobs."""

    def __init__(self, http: httpx.Client, services: Services, upload: Put) -> None:
        self.http, self.services, self.upload = http, services, upload
        self.model = self.roll_out(1)

    def roll_out(self, version: int) -> str:
        """Roll out a bundle; return the digest of its model, which is another one each time."""
        spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": LAYERS})
        model = Model(spec, Network(spec).init(seed=version), {"classes": ["cat", "dog"]})
        digest = self.upload(dump(model))
        made = build(
            model, profile("x86"), SIGNING, name="net", sequence=version, digest=digest
        )  # fmt: skip
        body = {"artifact": self.upload(made)}
        assert self.http.post("/v1/edge/groups/cams/rollout", json=body).status_code == 200
        return digest

    def box(self, secret: str) -> Box:
        edge = self.services.edge
        box = edge.enrol(
            edge.invite("cams", 60),
            "cams",
            digest=hashlib.sha256(secret.encode()).hexdigest(),
            name="gate",
            about={},
        )
        return Box(self, box, f"convq_{box}_{secret}")

    def submit(self, inputs: list[str], **fields: Any) -> dict[str, Any]:
        body = {"kind": "predict", "model": self.model, "inputs": inputs, "on": "cams"} | fields
        answer = self.http.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").json()
        return found


class Box:
    """A box that runs what it should."""

    def __init__(self, group: Group, box: str, key: str) -> None:
        self.group, self.id, self._tokens = group, box, 0
        self._headers = {"Authorization": f"Bearer {key}"}
        self.release = self.prove()

    def prove(self) -> str:
        release = self.group.services.edge.wanted(self.id)
        assert release is not None
        self.group.services.edge.report(self.id, {}, proved=release.digest, refused=None)
        return release.digest

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.group.http.post(f"/v1/edge/box/jobs{path}", json=body, headers=self._headers)

    def get(self, path: str) -> httpx.Response:
        return self.group.http.get(f"/v1/edge/box/jobs{path}", headers=self._headers)

    def claim(self, token: str | None = None, **more: Any) -> dict[str, Any] | None:
        self._tokens += 1
        token = token or f"{self._tokens:032x}"
        answer = self.post("", **{"release": self.release, "token": token, "pid": 7} | more)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] | None = answer.json()["job"]
        return found

    def finish(self, job: dict[str, Any], *outputs: Any) -> httpx.Response:
        said = [
            {"error": part} if isinstance(part, str) else {"output": _base64(part)}
            for part in outputs
        ]
        body = {"attempt": job["attempt"], "results": said, "load": 0.25, "run": 0.5}
        return self.post(f"/{job['id']}/finish", **body)


def _base64(output: Any) -> str:
    return base64.b64encode(np.asarray(output, "<f4").tobytes()).decode()


@pytest.fixture
def group(http: httpx.Client, services: Services, upload: Put) -> Group:
    return Group(http, services, upload)


def test_from_the_plan_to_the_results(group: Group, http: httpx.Client, npy: Npy) -> None:
    box = group.box("s")
    inputs = [group.upload(npy(image)) for image in IMAGES]
    job = group.submit(inputs, top=1)
    assert (job["plan"]["device"]["kind"], job["plan"]["on"]["sequence"]) == ("edge", 1)
    assert job["plan"]["seconds"] > 0
    # No worker ever sees it, and no message wakes one.
    assert group.services.jobs.claim(worker="w", pid=1, lease=60) == []
    assert group.services.jobs.missing_messages(0) == 0
    (line,) = (line for line in group.services.statistics.lines("default") if line.ready)
    assert (line.priority, line.ready) == ("normal", 1)

    token = "ab" * 16
    claimed = box.claim(token)
    # The answer was lost, and the box asks again.
    assert claimed == box.claim(token)
    assert claimed is not None
    assert (claimed["id"], claimed["attempt"], claimed["lease"]) == (job["id"], 1, 60)
    assert [entry["artifact"] for entry in claimed["inputs"]] == inputs
    assert box.get(f"/{job['id']}/inputs/{inputs[0]}").content == npy(IMAGES[0])
    other = group.upload(npy(np.zeros(3)))
    assert box.get(f"/{job['id']}/inputs/{other}").status_code == 404
    renewed = box.post(f"/{job['id']}/renew", attempt=1, done=2)
    assert renewed.json() == {"asked": "ok"}
    seen = group.job(job["id"])
    assert (seen["state"], seen["progress"]["done"]) == ("running", 2)
    assert seen["attempts"][0]["worker"] == f"gate ({box.id})"

    for _ in range(2):
        ended = box.finish(claimed, OUTPUTS[0], "the image is torn", OUTPUTS[2])
        assert (ended.status_code, ended.json()) == (200, {"state": "succeeded"})
    done = group.job(job["id"])
    assert done["progress"] | {"stage": ""} == {"done": 3, "total": 3, "failed": 1, "stage": ""}
    assert {"load": 0.25, "run": 0.5}.items() <= done["timings"]["stages"].items()
    results = http.get(f"/v1/jobs/{job['id']}/results").json()
    (failure,) = results["failures"]
    assert (failure["input"], failure["message"]) == (inputs[1], "the image is torn")
    images = http.get(f"/v1/jobs/{job['id']}/results/predictions.json").json()["images"]
    assert [(image["artifact"], image["top"][0]["class"]) for image in images] == [
        (inputs[0], "dog"),
        (inputs[2], "dog"),
    ]
    expected = scipy.special.softmax(OUTPUTS[[0, 2]].astype(float), axis=1)[:, 1]
    found = [image["top"][0]["probability"] for image in images]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_each_job_is_one_boxs_and_only_the_attempt_that_owns_it_commits(
    group: Group, npy: Npy
) -> None:
    first, second = group.box("s"), group.box("t")
    jobs = [group.submit([group.upload(npy(image))]) for image in IMAGES[:2]]
    claimed = [first.claim(), second.claim()]
    assert [job and job["id"] for job in claimed] == [job["id"] for job in jobs]
    assert first.claim() is None
    mine, theirs = claimed
    assert mine is not None
    assert theirs is not None
    # Another's job is as good as lost.
    assert first.post(f"/{theirs['id']}/renew", attempt=1, done=0).json() == {"asked": "lost"}
    assert first.get(f"/{theirs['id']}/inputs/{jobs[1]['id']}").status_code == 404
    assert first.finish(theirs, OUTPUTS[0]).status_code == 409
    release = first.post(f"/{theirs['id']}/release", attempt=1, reason="no")
    assert release.json() == {"released": False}

    # The box falls silent, and its lease runs out.
    group.services.jobs.renew(mine["id"], mine["attempt"], lease=0.001)
    while mine["id"] not in group.services.jobs.expire(max_attempts=3):
        pass
    again = second.claim()
    assert again is not None
    assert (again["id"], again["attempt"]) == (mine["id"], 2)
    late = first.finish(mine, OUTPUTS[0])
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    assert second.finish(again, OUTPUTS[1]).json() == {"state": "succeeded"}
    assert second.finish(theirs, "not an image").json() == {"state": "failed"}
    assert group.job(theirs["id"])["error"]["code"] == "all_items_failed"
    outcomes = [attempt["outcome"] for attempt in group.job(mine["id"])["attempts"]]
    assert outcomes == ["expired", "succeeded"]


def test_a_box_keeps_what_its_tenant_may_not_store(
    group: Group, http_with: Callable[..., httpx.Client], npy: Npy
) -> None:
    box = group.box("s")
    job = group.submit([group.upload(npy(IMAGES[0]))])
    claimed = box.claim()
    assert claimed is not None
    roomy, group.http = group.http, http_with(max_stored_of_tenant=10)
    answer = box.finish(claimed, OUTPUTS[0])
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert group.job(job["id"])["state"] == "running"
    group.http = roomy
    assert box.finish(claimed, OUTPUTS[0]).json() == {"state": "succeeded"}


def test_cancelling_pausing_and_giving_back(group: Group, http: httpx.Client, npy: Npy) -> None:
    box, image = group.box("s"), group.upload(npy(IMAGES[0]))
    queued, running = group.submit([image]), group.submit([image])
    assert http.post(f"/v1/jobs/{queued['id']}/cancel").status_code == 200
    assert http.post("/v1/queue/pause").status_code == 200
    assert box.claim() is None
    assert http.post("/v1/queue/resume").status_code == 200
    claimed = box.claim()
    assert claimed is not None
    assert claimed["id"] == running["id"]
    released = box.post(f"/{claimed['id']}/release", attempt=1, reason="the box restarts")
    assert released.json() == {"released": True}
    claimed = box.claim()
    assert claimed is not None
    assert http.post(f"/v1/jobs/{running['id']}/cancel").status_code == 202
    asked = box.post(f"/{claimed['id']}/renew", attempt=2, done=0)
    assert asked.json() == {"asked": "cancel"}
    box.post(f"/{claimed['id']}/release", attempt=2, reason="it was cancelled")
    assert group.job(running["id"])["state"] == "cancelled"


def test_a_box_waits_for_a_job_and_gets_it_at_once(group: Group, npy: Npy) -> None:
    box, image = group.box("s"), group.upload(npy(IMAGES[0]))
    watching, found = group.services.watching, []
    thread = threading.Thread(target=lambda: found.append(box.claim(wait=30)))
    thread.start()
    while not watching.waiting:
        pass
    job = group.submit([image])
    thread.join()
    assert found[0]["id"] == job["id"]


def test_a_new_model_takes_the_place_of_jobs_for_the_old_one(group: Group, npy: Npy) -> None:
    box, image = group.box("s"), group.upload(npy(IMAGES[0]))
    running = group.submit([image])
    claimed = box.claim()
    assert claimed is not None
    queued = group.submit([image])
    old, group.model = group.model, group.roll_out(2)
    # It should run the new bundle, and has not said that it does.
    assert box.claim() is None
    assert group.job(queued["id"])["state"] == "queued"
    box.release = box.prove()
    # No box runs the old one any more.
    assert box.claim() is None
    assert group.job(queued["id"])["state"] == "failed"
    error = group.job(queued["id"])["error"]
    assert (error["code"], "net 2" in error["message"]) == ("superseded", True)
    assert box.finish(claimed, OUTPUTS[0]).status_code == 200
    assert group.job(running["id"])["state"] == "succeeded"
    job = group.submit([image])
    body = {"kind": "predict", "model": old, "inputs": [image], "on": "cams"}
    refused = group.http.post("/v1/jobs", json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, "on")
    assert "net 2" in refused.json()["detail"]
    assert refused.json()["accepted"] == group.model
    claimed = box.claim()
    assert claimed is not None
    assert claimed["id"] == job["id"]


@pytest.mark.parametrize(
    ("changed", "field", "says"),
    [
        ({"on": "nobody"}, "on", "there is no such group"),
        ({"on": "No Name"}, "on", "on: "),
        ({"reading": {"resize": [3, 3]}}, "reading", "as they are"),
        ({"output": "features", "layer": "x"}, "layer", ""),
        ({"inputs": ["large"]}, "inputs", "another size"),
        ({"inputs": ["image"] * 1001}, "inputs", "at most 1000"),
    ],
)
def test_what_boxes_cannot_do_is_refused(
    group: Group, npy: Npy, changed: dict[str, Any], field: str, says: str
) -> None:
    put = {"image": group.upload(npy(IMAGES[0])), "large": group.upload(npy(np.zeros((1, 9, 9))))}
    body = {"kind": "predict", "model": group.model, "inputs": ["image"], "on": "cams"} | changed
    body["inputs"] = [put[name] for name in body["inputs"]]
    answer = group.http.post("/v1/plans", json=body)
    assert answer.status_code in (413, 422), answer.text
    assert field in answer.text
    assert says in answer.text


def test_what_is_no_answer_of_the_net_is_refused(group: Group, npy: Npy) -> None:
    box = group.box("s")
    group.submit([group.upload(npy(image)) for image in IMAGES])
    job = box.claim()
    assert job is not None
    for outputs in ((OUTPUTS[0],), (*OUTPUTS[:2], OUTPUTS), ()):
        answer = box.finish(job, *outputs)
        assert (answer.status_code, answer.json()["field"]) == (422, "results")
    assert group.job(job["id"])["state"] == "running"
