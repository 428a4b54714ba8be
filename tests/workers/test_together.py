"""Small jobs that are alike are run as one, and nobody can tell from the results."""

from __future__ import annotations

import errno
import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

import workers.runner
from core.conv.device import cpu
from core.jobs import submission
from core.jobs.convolve import ConvolveSpec
from core.jobs.together import Together
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore
from workers.runner import Runner

KERNELS: list[dict[str, Any]] = [
    {"kernel": {"values": [[0, 1, 0], [1, -4, 1], [0, 1, 0]]}},
    {"kernel": {"preset": "gaussian", "sigma": 2}},
    {"kernel": {"preset": "box", "size": 9}, "boundary": "wrap", "method": "fft-whole"},
]


def make_runner(settings: Settings, **changes: Any) -> Runner:
    return Runner(settings.model_copy(update=changes), worker="w1", pid=1, send=lambda: None)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def long_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no turn end by itself: on a busy machine that may be before the next jobs are claimed."""
    monkeypatch.setattr(workers.runner, "_TURN_SECONDS", 600.0)


class Queue:
    """Submits convolutions and reads what came of them."""

    def __init__(self, jobs: JobStore, artifacts: ArtifactStore) -> None:
        self.jobs = jobs
        self.artifacts = artifacts

    def put(self, array: Any, tenant: str = "default") -> str:
        file = io.BytesIO()
        np.save(file, array)
        store = self.artifacts.of(tenant)
        shape, dtype = array.shape, str(array.dtype)
        return store.put(file.getvalue(), "application/x-npy", shape, dtype).digest

    def submit(self, digest: str, tenant: str = "default", **fields: Any) -> Job:
        store = self.artifacts.of(tenant)
        spec = ConvolveSpec.model_validate({"kind": "convolve", "inputs": [digest]} | fields)
        planned = submission.Planner(store, cpu(), 1 << 32).plan(spec)
        assert planned.alike is not None
        new = submission.new_job(spec, planned, artifacts=store)
        (answer,), _ = self.jobs.of(tenant).submit_many([new])
        assert isinstance(answer, tuple)
        return answer[0]

    def outcome(self, job: Job) -> Any:
        done = self.jobs.get(job.id)
        assert done.results is not None
        return documents.read(self.artifacts, done.results)


@pytest.fixture
def queue(jobs: JobStore, artifacts: ArtifactStore) -> Queue:
    return Queue(jobs, artifacts)


def arrays(count: int) -> list[Any]:
    generator = np.random.default_rng(1)
    return [generator.normal(size=(20, 24)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("fields", KERNELS)
def test_results_are_the_same_bit_for_bit(
    queue: Queue, settings: Settings, fields: dict[str, Any]
) -> None:
    digests = [queue.put(array) for array in arrays(7)]
    alone = [queue.submit(digest, **fields) for digest in digests]
    steps = make_runner(settings, together=1)
    while steps.step():
        pass
    together = [queue.submit(digest, **fields) for digest in digests]
    assert make_runner(settings).step()
    for one, other in zip(alone, together, strict=True):
        done = queue.jobs.get(other.id)
        assert (done.state, done.progress) == ("succeeded", queue.jobs.get(one.id).progress)
        assert queue.outcome(one) == queue.outcome(other)
        assert done.plan is not None
        assert done.timings.keys() == {"load", "convolve", "store"}
    assert queue.jobs.running_on("w1") == []


def test_a_bad_one_fails_alone(queue: Queue, settings: Settings) -> None:
    digests = [queue.put(array) for array in arrays(5)]
    made = [queue.submit(digest, **KERNELS[0]) for digest in digests]
    root = queue.artifacts.files.root
    assert root is not None
    (root / queue.artifacts.get(digests[2]).key).write_bytes(b"damaged")
    assert make_runner(settings).step()
    states = [queue.jobs.get(job.id).state for job in made]
    assert states == ["succeeded", "succeeded", "failed", "succeeded", "succeeded"]


def test_each_tenant_holds_its_own_results(queue: Queue, settings: Settings) -> None:
    (array,) = arrays(1)
    made = {
        tenant: queue.submit(queue.put(array, tenant), tenant, **KERNELS[0])
        for tenant in ("ours", "theirs")
    }
    assert make_runner(settings).step()
    for tenant, job in made.items():
        done = queue.jobs.of(tenant).get(job.id)
        assert (done.state, done.results is None) == ("succeeded", False)
        (result,) = documents.read(queue.artifacts, done.results or "")["results"]
        assert queue.artifacts.of(tenant).read(result["digest"])


def test_one_that_is_cancelled_stops_alone(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(3)]
    work = workers.runner.work

    def slowly(job: Job, run: Any) -> Any:
        if job.id == made[1].id:
            queue.jobs.cancel(job.id)
            wait_until(lambda: run._asked is not None)
        return work(job, run)

    monkeypatch.setattr(workers.runner, "work", slowly)
    assert make_runner(settings).step()
    states = [queue.jobs.get(job.id).state for job in made]
    assert states == ["succeeded", "cancelled", "succeeded"]


def test_on_a_full_disk_each_waits_for_room_by_itself(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(3)]
    full = [True] * 2
    place = type(queue.artifacts.files).place

    def place_or_not(self: Any, path: Path, key: str, hexadecimal: str | None = None) -> str:
        if full:
            full.pop()
            raise OSError(errno.ENOSPC, "no room")
        return place(self, path, key, hexadecimal)

    monkeypatch.setattr(type(queue.artifacts.files), "place", place_or_not)
    assert make_runner(settings).step()
    assert [queue.jobs.get(job.id).state for job in made] == ["succeeded"] * 3
    assert full == []


def test_a_disk_that_is_full_is_not_called_a_defect(
    queue: Queue,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(3)]
    full = [True]
    incoming = ArtifactStore.incoming

    def incoming_or_not(self: ArtifactStore) -> Any:
        if full:
            full.pop()
            raise OSError(errno.ENOSPC, "no room")
        return incoming(self)

    monkeypatch.setattr(ArtifactStore, "incoming", incoming_or_not)
    assert make_runner(settings).step()
    assert [queue.jobs.get(job.id).state for job in made] == ["succeeded"] * 3
    assert "defect" not in caplog.text


def test_an_attempt_that_was_taken_away_commits_nothing(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(3)]
    work = workers.runner.work

    def lose_first(job: Job, run: Any) -> Any:
        if job.id == made[0].id:
            queue.jobs.abandon(job.id, job.attempt, reason="taken", max_attempts=3)
        return work(job, run)

    monkeypatch.setattr(workers.runner, "work", lose_first)
    assert make_runner(settings).step()
    states = [queue.jobs.get(job.id).state for job in made]
    assert states == ["queued", "succeeded", "succeeded"]
    assert len(queue.jobs.attempts(made[0].id)) == 1


@pytest.mark.parametrize(("together", "least", "most"), [(1, 32, 10_000), (32, 1, 16)])
def test_few_round_trips_are_needed(
    queue: Queue,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    together: int,
    least: int,
    most: int,
) -> None:
    for array in arrays(8):
        queue.submit(queue.put(array), **KERNELS[0])
    runner = make_runner(settings, together=together)
    connection = runner._jobs._redis.connection_pool.connection_class
    send, sent = connection.send_packed_command, []

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        sent.append(args)
        return send(self, *args, **options)

    monkeypatch.setattr(connection, "send_packed_command", counted)
    while runner.step():
        pass
    assert least <= len(sent) <= most


@pytest.mark.usefixtures("long_turn")
def test_the_next_jobs_are_computed_while_results_are_synced(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(4)]
    store, place, stored, second = Together.store, Together.place, set(), threading.Event()

    def counted(self: Together, *args: Any) -> Any:
        stored.add(self)
        if len(stored) == 2:
            second.set()
        return store(self, *args)

    def after_the_second(self: Together, pool: Any) -> Any:
        assert second.wait(30)
        return place(self, pool)

    monkeypatch.setattr(Together, "store", counted)
    monkeypatch.setattr(Together, "place", after_the_second)
    make_runner(settings, together=2).run()
    assert [queue.jobs.get(job.id).state for job in made] == ["succeeded"] * 4
    assert len(stored) == 2


def states(queue: Queue, made: list[Job]) -> list[str]:
    return [queue.jobs.get(job.id).state for job in made]


@pytest.mark.usefixtures("long_turn")
def test_the_next_jobs_are_claimed_while_others_are_computed(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(7)]
    work, seen = workers.runner.work, []

    def once_others_are_claimed(job: Job, run: Any) -> Any:
        if job.id in (made[0].id, made[2].id, made[4].id):
            ahead = made[2 * len(seen) + 2 :][:2]
            wait_until(lambda: states(queue, ahead) == ["running"] * len(ahead))
            seen.append(states(queue, made).count("queued"))
        return work(job, run)

    monkeypatch.setattr(workers.runner, "work", once_others_are_claimed)
    make_runner(settings, together=2).run()
    assert seen == [3, 1, 0]  # one claim ahead, and no more
    assert states(queue, made) == ["succeeded"] * 7


@pytest.mark.usefixtures("long_turn")
def test_what_was_claimed_ahead_is_kept_and_what_of_it_is_cancelled_is_dropped(
    queue: Queue, settings: Settings, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(4)]
    work = workers.runner.work

    def lease() -> float:
        return client.zscore(f"{settings.redis_prefix}:leases", made[3].id) or 0

    def slowly(job: Job, run: Any) -> Any:
        if job.id == made[0].id:
            wait_until(lambda: states(queue, made[2:]) == ["running"] * 2)
            queue.jobs.cancel(made[2].id)
            first = lease()
            wait_until(lambda: states(queue, made[2:]) == ["cancelled", "running"])
            wait_until(lambda: lease() > first)
        return work(job, run)

    monkeypatch.setattr(workers.runner, "work", slowly)
    make_runner(settings, together=2).run()
    assert states(queue, made) == ["succeeded", "succeeded", "cancelled", "succeeded"]


@pytest.mark.usefixtures("long_turn")
def test_what_was_claimed_ahead_is_run_though_the_turn_is_over(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(6)]
    runner, work = make_runner(settings, together=2), workers.runner.work

    def until_it_is_over(job: Job, run: Any) -> Any:
        runner._over = 0
        return work(job, run)

    monkeypatch.setattr(workers.runner, "work", until_it_is_over)
    runner.run()
    assert states(queue, made) == ["succeeded"] * 4 + ["queued"] * 2


@pytest.mark.usefixtures("long_turn")
def test_what_was_claimed_ahead_is_given_back_where_it_cannot_be_run(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(4)]

    def broken(job: Job, run: Any) -> Any:
        raise RuntimeError("a defect of the worker")

    monkeypatch.setattr(workers.runner, "work", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        make_runner(settings, together=2).run()
    # The lease of the first one will run out.
    assert states(queue, made) == ["running"] + ["queued"] * 3
    for job in made[1:]:
        attempts = queue.jobs.attempts(job.id)
        assert [attempt.outcome for attempt in attempts] == ["released"]


def test_one_job_runs_at_a_time_where_each_is_asked_for(queue: Queue, settings: Settings) -> None:
    made = [queue.submit(queue.put(array), **KERNELS[0]) for array in arrays(4)]
    assert make_runner(settings, together=2).step()
    assert states(queue, made) == ["succeeded"] * 2 + ["queued"] * 2
