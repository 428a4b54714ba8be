"""Jobs through HTTP, a real Redis and a real Celery worker."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import scipy.ndimage
from PIL import Image

import convq
from convq.stack import LocalStack
from core.errors import Conflict, InvalidInput

pytestmark = pytest.mark.stack
RNG = np.random.default_rng(1)
PICTURE = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)


def picture(array: Any = PICTURE, kind: str = "png") -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind)
    return file.getvalue()


def test_a_photograph_is_filtered(client: convq.Client, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(picture())
    job = client.submit(inputs=[path], kernel={"preset": "gaussian", "sigma": 2}, label="cat")
    done = client.wait(job)
    assert done.state == "succeeded"
    expected = np.stack(
        [scipy.ndimage.gaussian_filter(PICTURE[..., c].astype(float), 2) for c in range(3)], -1
    )
    np.testing.assert_allclose(client.result(done), expected, atol=0.51)
    (written,) = client.download(done, tmp_path / "out")
    assert written.name == "cat.png"
    with Image.open(written) as image:
        assert image.size == (50, 40)
    assert done.plan is not None
    group = done.plan.groups[0]
    assert group.measured_seconds > 0
    assert group.chosen in [c.algorithm for c in group.candidates if not c.refused]
    assert (done.attempts[0].outcome, len(done.attempts)) == ("succeeded", 1)
    assert set(done.timings.stages) == {"load", "convolve", "store"}
    assert [found.id for found in client.jobs(label="cat")] == [job.id]


def test_the_dry_run_plans_what_the_job_does(client: convq.Client) -> None:
    body = {"inputs": [PICTURE], "kernel": {"preset": "sharpen"}}
    before = len(list(client.jobs()))
    planned = client.plan(**body)
    assert len(list(client.jobs())) == before
    done = client.wait(client.submit(**body))
    assert done.plan.groups[0].chosen == planned.groups[0].chosen


def test_two_hundred_photographs_are_one_job(client: convq.Client, tmp_path: Path) -> None:
    paths = []
    for number in range(200):
        path = tmp_path / f"photo-{number:03}.jpg"
        path.write_bytes(picture(np.roll(PICTURE, number, 1), "jpeg"))
        paths.append(path)
    paths[77].write_bytes(b"this is no picture")
    seen: list[int] = []
    job = client.submit(inputs=paths, kernel={"preset": "sobel-magnitude"}, output="png")
    done = client.wait(job, on_progress=lambda job: seen.append(job.progress.done))
    assert (done.state, done.progress.done, done.progress.failed) == ("succeeded", 200, 1)
    assert seen == sorted(seen)
    results = client.results(done)
    assert [failure.name for failure in results.failures] == ["photo-077.jpg"]
    expected = [f"photo-{number:03}.png" for number in range(200) if number != 77]
    assert [result.name for result in results.results] == expected


def test_a_24_megapixel_photograph_goes_through_a_small_and_a_large_kernel(
    client: convq.Client, tmp_path: Path
) -> None:
    path = tmp_path / "large.jpg"
    Image.fromarray(np.tile(PICTURE, (100, 120, 1))).save(path, quality=90)
    kernels = {
        3: {"values": [[0, -1, 0], [-1, 5, -1], [0, -1, 0.5]]},
        63: {"preset": "disk", "radius": 31},
    }
    chosen = {}
    for size, kernel in kernels.items():
        done = client.wait(client.submit(inputs=[path], kernel=kernel), timeout=120)
        assert done.state == "succeeded", done.error
        chosen[size] = done.plan.groups[0].chosen
        assert client.results(done).results[0].shape == (4000, 6000, 3)
    assert chosen[3] == "direct"
    assert chosen[63].startswith("fft")


def test_cancelling_a_queued_job_is_immediate(client: convq.Client, jobs_at: Any) -> None:
    running = jobs_at.submit_slow()
    queued = client.submit(inputs=[PICTURE], kernel={"preset": "box"})
    jobs_at.wait_for(running, "running")
    # Without a word of the only worker, which is at work for seconds.
    assert client.cancel(queued).state == "cancelled"
    client.cancel(running)
    jobs_at.wait_for(running, "cancelled")
    assert client.job(queued.id).attempts == []


def test_a_running_job_stops_when_asked_and_can_be_tried_again(
    client: convq.Client, jobs_at: Any
) -> None:
    job = jobs_at.submit_slow()
    jobs_at.wait_for(job, "running")
    client.cancel(job)
    jobs_at.wait_for(job, "cancelled")
    with pytest.raises(Conflict):
        client.results(client.retry(job))
    jobs_at.wait_for(job, "running")
    client.cancel(job)
    ended = jobs_at.wait_for(job, "cancelled")
    assert [attempt.outcome for attempt in ended.attempts] == ["cancelled", "cancelled"]


def test_a_job_for_processors_finds_one_and_one_for_gpus_waits(
    client: convq.Client, jobs_at: Any
) -> None:
    x = np.arange(400, dtype=np.float32).reshape(20, 20)
    waiting = client.submit(inputs=[x], kernel={"preset": "box"}, device="gpu")
    # No message is sent for it: the worker's parent sees that it is there.
    bound = client.submit(inputs=[x], kernel={"preset": "box"}, device="cpu")
    assert client.wait(bound, timeout=60).state == "succeeded"
    now = client.job(waiting.id)
    assert (now.state, now.waits_for) == ("queued", "a worker with a GPU")
    assert client.cancel(waiting).state == "cancelled"


def test_a_failed_job_says_why(client: convq.Client, stack: LocalStack) -> None:
    with pytest.raises(InvalidInput, match="kernel") as caught:
        client.submit(inputs=[PICTURE], kernel={"preset": "gaussian", "sigma": -1})
    assert "sigma" in caught.value.field
    x = np.full((8, 8), 2**62)
    job = client.submit(inputs=[x], kernel={"values": [[2, 2], [2, 2]]})
    failed = client.wait(job)
    assert failed.state == "failed"
    assert "integer_overflow" in client.results(failed).failures[0].code


def test_one_idempotency_key_makes_one_job(client: convq.Client, stack: LocalStack) -> None:
    digest = client.upload(PICTURE).digest
    body = {"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box"}}

    def post(_: int) -> httpx.Response:
        return httpx.post(f"{stack.url}/v1/jobs", json=body, headers={"Idempotency-Key": "same"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(24)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = httpx.post(
        f"{stack.url}/v1/jobs", json=body | {"mode": "full"}, headers={"Idempotency-Key": "same"}
    )
    assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")


def test_prefer_wait_returns_the_finished_job(client: convq.Client, stack: LocalStack) -> None:
    digest = client.upload(PICTURE).digest
    answer = httpx.post(
        f"{stack.url}/v1/jobs",
        json={"kind": "convolve", "inputs": [digest], "kernel": {"preset": "box"}},
        headers={"Prefer": "wait=60"},
        timeout=90,
    )
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")


def test_events_resume_where_they_were_left(client: convq.Client) -> None:
    job = client.submit(inputs=[PICTURE] * 5, kernel={"preset": "box"})
    events = list(client.events(job))
    states = [event.data["state"] for event in events if event.name == "state"]
    assert states == ["queued", "running", "succeeded"]
    for place, event in enumerate(events[:-1]):
        assert list(client.events(job, after=event.id)) == events[place + 1 :]


def test_a_deleted_job_is_gone(client: convq.Client) -> None:
    done = client.wait(client.submit(inputs=[PICTURE], kernel={"preset": "box"}))
    client.delete(done)
    with pytest.raises(LookupError):
        client.job(done.id)
