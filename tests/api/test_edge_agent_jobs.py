"""Jobs on agents as boxes run them: two processes, of which one is killed in the middle."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from api.services import Services
from core.edge.bundle import build
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.model import Model, dump
from core.nets.network import Network
from core.nets.spec import NetSpec
from tests.api.test_edge_agent import Box, eventually, roll_out, state

# Long enough to be seen running.
MANY = 60


@pytest.fixture
def http(http_with: Callable[..., httpx.Client]) -> httpx.Client:
    """Serve with a lease that a killed box does not hold for long."""
    return http_with(edge_lease=1)


@pytest.fixture
def boxes(http: httpx.Client, tmp_path: Path, signing: SigningKey) -> Iterator[tuple[Box, Box]]:
    made = []
    for name in ("one", "two"):
        token = http.post("/v1/edge/groups/cams/tokens", json={}).json()["token"]
        (tmp_path / name).mkdir()
        made.append(Box(str(http.base_url), tmp_path / name, signing.public.hex(), token))
    yield made[0], made[1]
    for box in made:
        box.close()


@pytest.fixture(scope="module")
def signing() -> SigningKey:
    return SigningKey.new()


@pytest.mark.stack
def test_a_box_is_killed_in_the_middle_of_a_job_and_the_other_one_does_it(
    http: httpx.Client,
    services: Services,
    boxes: tuple[Box, Box],
    signing: SigningKey,
    upload: Callable[[bytes], str],
    npy: Callable[[Any], bytes],
) -> None:
    layers = [{"layer": "conv", "filters": 2, "kernel": 3}, {"layer": "flatten"},
              {"layer": "dense", "features": 2}]  # fmt: skip
    spec = NetSpec.model_validate({"input": [1, 5, 5], "layers": layers})
    model = Model(spec, Network(spec).init(seed=0), {"classes": ["cat", "dog"]})
    digest = upload(dump(model))
    roll_out(http, build(model, profile("x86"), signing, name="net", digest=digest))
    images = np.random.default_rng(0).normal(size=(8, 1, 5, 5)).astype(np.float32)
    inputs = [upload(npy(image)) for image in images]

    def submit(count: int) -> str:
        named = [inputs[number % len(inputs)] for number in range(count)]
        body = {"kind": "predict", "model": digest, "inputs": named, "on": "cams", "output": "raw"}
        answer = http.post("/v1/jobs", json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = http.get(f"/v1/jobs/{job_id}").json()
        return found

    def ended(job_id: str) -> bool:
        # In place of a worker's reconciler.
        services.jobs.expire(max_attempts=99)
        return job(job_id)["state"] in ("succeeded", "failed", "cancelled")

    one, two = boxes
    one.start()
    assert state(http)[0] == "done"
    first = submit(MANY)
    eventually(lambda: job(first)["state"] == "running", one)
    (attempt,) = job(first)["attempts"]
    one.kill(signal.SIGKILL)
    two.start()
    one.give("own")
    one.start()
    eventually(lambda: ended(first), two)
    found = job(first)
    assert found["state"] == "succeeded", found
    outcomes = [entry["outcome"] for entry in found["attempts"]]
    assert outcomes[0] == "expired"
    assert outcomes[-1] == "succeeded"
    assert found["progress"]["done"] == MANY
    said = http.get(f"/v1/jobs/{first}/results/predictions.json").json()["images"]
    expected = model.run(images)
    assert [image["artifact"] for image in said] == [inputs[n % 8] for n in range(MANY)]
    np.testing.assert_allclose(
        [image["output"] for image in said], expected[np.arange(MANY) % 8], rtol=1e-4, atol=1e-5
    )

    # Both boxes take jobs, each job is one box's, and the inbox was not forgotten for it.
    ids = [submit(10) for _ in range(4)]
    for job_id in ids:
        eventually(lambda job_id=job_id: ended(job_id), two)
    assert {job(job_id)["state"] for job_id in ids} == {"succeeded"}
    assert not list(one.inbox.iterdir())

    # A cancel is heard of while the box works.
    last = submit(1000)
    eventually(lambda: job(last)["state"] == "running", two)
    http.post(f"/v1/jobs/{last}/cancel")
    eventually(lambda: ended(last), two)
    assert job(last)["state"] == "cancelled"
    assert (one.kill(signal.SIGTERM), two.kill(signal.SIGTERM)) == (0, 0)
    assert attempt["worker"] in {entry["worker"] for entry in found["attempts"]}
