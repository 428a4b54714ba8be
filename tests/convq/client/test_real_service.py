"""The client against the real API and a real Redis; jobs stay queued, for there is no worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from convq.client import Client, Job
from convq.client.uploads import ASK_FIRST
from core.errors import Conflict, InvalidInput, NotFound, UnsupportedMedia


@pytest.fixture
def real(real_url: str) -> Iterator[Client]:
    with Client(real_url) as real:
        yield real


def test_uploads(real: Client) -> None:
    array = np.arange(ASK_FIRST, dtype=np.float32).reshape(256, -1)
    first = real.upload(array)
    assert (first.shape, first.dtype, first.media_type) == (
        (256, 256),
        "float32",
        "application/x-npy",
    )
    again = real.upload(array)
    assert (again.digest, again.size, again.media_type) == (
        first.digest,
        first.size,
        first.media_type,
    )
    with pytest.raises(UnsupportedMedia, match="image/png"):
        real.upload(b"\x89PNG\r\n\x1a\nbroken")


def test_the_life_of_a_job(real: Client) -> None:
    x = np.zeros((32, 48), np.float32)
    job = real.submit(inputs=[x], kernel={"preset": "gaussian", "sigma": 2}, label="one")
    assert (job.state, job.label, job.progress.total) == ("queued", "one", 1)
    assert job.plan is not None
    (group,) = job.plan.groups
    assert (group.input_shape, group.kernel_shape, group.kernels) == ((32, 48), (17, 17), 1)
    assert group.chosen in {c.algorithm for c in group.candidates if c.refused is None}
    assert job.plan == real.plan(inputs=[x], kernel={"preset": "gaussian", "sigma": 2})
    with pytest.raises(Conflict, match="no results yet"):
        real.results(job)
    with pytest.raises(TimeoutError):
        real.wait(job, timeout=0.3)
    assert real.cancel(job).state == "cancelled"
    assert real.wait(job).state == "cancelled"
    assert [event.data["state"] for event in real.events(job)] == ["queued", "cancelled"]
    assert real.retry(job).state == "queued"
    assert [found.id for found in real.jobs(state="queued", label="one")] == [job.id]
    assert [found.tenant for found in real.jobs(tenant="*")] == ["default"]
    assert list(real.jobs(tenant="lab")) == []
    assert real.queue().tenants == ["default"]
    assert real.plan_figures() == []
    assert real.queue().depth == {"queued": 1, "running": 0}
    real.cancel(job)
    real.delete(job)
    with pytest.raises(NotFound, match="no such job"):
        real.job(job.id)


def test_events_that_are_followed_as_they_happen(real: Client) -> None:
    job = real.submit(inputs=[b"RIFF" + np.zeros(3).tobytes(), np.zeros(9)], kernel="box")
    cancelling = threading.Timer(0.3, real.cancel, [job])
    cancelling.start()
    seen = []
    assert real.wait(job, on_progress=lambda now: seen.append(now.state)).state == "cancelled"
    cancelling.join()
    assert seen[-1] == "cancelled"
    first, *_ = real.events(job)
    assert first.id not in [event.id for event in real.events(job, after=first.id)]


def test_a_lost_answer_makes_no_second_job(real: Client) -> None:
    job = real.submit(inputs=[np.zeros(9)], kernel="box", idempotency_key="k")
    assert real.submit(inputs=[np.zeros(9)], kernel="box", idempotency_key="k").id == job.id
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        real.submit(inputs=[np.zeros(9)], kernel="gaussian", idempotency_key="k")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kernel": "box", "mode": "sam"}, r"^mode: .*given: sam; accepted: full, same"),
        ({"kernel": {"preset": "gaussian", "sigma": -1}}, "^kernel.*sigma"),
        ({"kernel": "nonsense"}, "^kernel.*gaussian"),
        ({"kernel": "box", "colour": 1}, "^colour"),
        ({"kernel": "box", "mode": "sam", "boundary": "odd"}, "also boundary"),
    ],
)
def test_refusals_name_the_field(real: Client, spec: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        real.submit(inputs=[np.zeros(9)], **spec)


def test_a_refused_input_is_named_or_left_out(real: Client, tmp_path: Path) -> None:
    good, empty, broken = tmp_path / "good.npy", tmp_path / "empty.png", tmp_path / "broken.png"
    np.save(good, np.zeros((9, 9), np.float32))
    empty.touch()
    broken.write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(InvalidInput, match=r"^inputs\.1: .*empty\.png: the body is empty"):
        real.submit(inputs=[good, empty], kernel="box")
    with pytest.raises(UnsupportedMedia, match=r"^inputs\.0: .*broken\.png: "):
        real.plan(inputs=[broken, good], kernel="box")
    refused: list[str] = []
    job = real.submit(
        inputs=[empty, good, broken],
        kernel={"values": np.ones((2, 2))},
        on_refused=lambda name, _: refused.append(Path(name).name),
    )
    assert refused == ["empty.png", "broken.png"]
    assert job.progress.total == 1


def test_the_rest(real: Client) -> None:
    found = real.kinds()
    assert {"convolve", "train", "predict"} <= {kind.name for kind in found.kinds}
    assert found.kinds[0].schema_["properties"]["kernel"]
    assert "gaussian" in [preset.name for preset in found.presets]
    assert real.workers() == []


def test_many_jobs_are_queued_in_few_requests(real: Client) -> None:
    arrays = [np.full((4, 4), float(n)) for n in range(3)]
    specs = [
        {"inputs": [array], "kernel": "box", "label": str(n)} for n, array in enumerate(arrays)
    ]
    specs.insert(1, {"inputs": [arrays[0]], "kernel": "nothing"})
    specs.insert(2, {"inputs": [b"RIFF" + b"0" * 30], "kernel": "box"})
    found = real.submit_many([*specs, specs[0] | {"idempotency_key": "once"}])
    assert [getattr(entry, "label", None) for entry in found] == ["0", None, None, "1", "2", "0"]
    assert isinstance(found[1], InvalidInput)
    assert found[1].field == "kernel.preset"
    assert isinstance(found[2], UnsupportedMedia)
    (again,) = real.submit_many([specs[0] | {"idempotency_key": "once"}])
    assert isinstance(again, Job)
    assert isinstance(found[5], Job)
    assert again.id == found[5].id


def test_what_a_job_was_asked_and_what_is_stored_can_be_read(real: Client) -> None:
    job = real.submit(inputs=[np.zeros((3, 3))], kernel="box", label="asked")
    body = real.body(job)
    assert (body["kind"], body["label"], body["kernel"]["preset"]) == ("convolve", "asked", "box")
    storage = real.storage()
    assert sum(storage.tenants.values()) == storage.stored > 0
    assert real.garbage().referred >= 1
