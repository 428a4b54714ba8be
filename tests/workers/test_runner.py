"""From claim to commit: every way in which an attempt can end."""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.arena import wait_until
from convq.stack.redis_server import RedisServer
from core.conv import device
from core.errors import InvalidInput, LeaseLost
from core.jobs.run import Continued, Drained, Run, Waiting
from core.needs import needed
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.connection import connect
from core.store.garbage import Garbage
from core.store.jobs import JobStore, NewJob
from core.store.states import TERMINAL
from core.store.workers import WorkerStore
from workers.lease import Lease
from workers.runner import Runner
from workers.trial import DeviceFailed, Proven


def make_runner(settings: Settings, worker: str = "w1", **changes: Any) -> Runner:
    settings = settings.model_copy(update={"lease": 0.5} | changes)
    return Runner(settings, worker=worker, pid=1, send=lambda: None)


@pytest.fixture
def runner(settings: Settings) -> Runner:
    return make_runner(settings)


def write_text(run: Run, text: str, name: str = "out.bin") -> None:
    run.deliver(
        name,
        source=None,
        media_type="application/octet-stream",
        write=lambda path: path.write_text(text) and None,
    )


def test_results_are_committed_with_progress_and_timings(
    runner: Runner, scripted: Any, jobs: JobStore, artifacts: ArtifactStore
) -> None:
    def behave(run: Run) -> None:
        with run.stage("work"):
            write_text(run, "result")
            run.advance()

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    done = jobs.get(job.id)
    assert (done.state, done.progress.done) == ("succeeded", 1)
    assert set(done.timings) == {"work"}
    (result,) = documents.read(artifacts, done.results)["results"]
    assert artifacts.read(result["digest"]) == b"result"


def test_results_that_a_tenant_may_not_store_fail_the_job_at_once(
    settings: Settings, scripted: Any, jobs: JobStore
) -> None:
    scripted.behave = lambda run: write_text(run, "x" * 11)
    for most in ("max_stored_of_tenant", "max_stored"):
        job = scripted.submit()
        assert make_runner(settings, **{most: 10}).step()
        done = jobs.get(job.id)
        assert (done.state, (done.error or {})["code"]) == ("failed", "storage_full")
    # Once there is room the job can be tried again.
    jobs.retry(job.id)
    assert make_runner(settings, max_stored=11).step()
    assert jobs.get(job.id).state == "succeeded"


def test_a_job_that_cannot_be_claimed_is_not_run(
    runner: Runner, scripted: Any, jobs: JobStore
) -> None:
    scripted.behave = lambda run: pytest.fail("it ran")
    job = scripted.submit()
    jobs.cancel(job.id)
    runner.run()


def test_a_job_waits_for_a_worker_with_the_memory_for_it(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = NewJob(kind="scripted", spec='{"kind":"scripted"}', needs=needed(2 << 30))
    ((job, _),) = jobs.submit_many([large]).answers  # type: ignore[misc]
    monkeypatch.setattr("workers.memory.available", lambda: 1 << 30)
    assert not make_runner(settings).step()
    assert jobs.get(job.id).state == "queued"
    monkeypatch.setattr("workers.memory.available", lambda: 4 << 30)
    assert make_runner(settings).step()
    assert jobs.get(job.id).state == "succeeded"


def test_a_worker_that_has_run_out_of_jobs_looks_again_before_it_sleeps(
    runner: Runner, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, late = Runner._take, []

    def take_and_submit(self: Runner) -> bool:
        found = take(self)
        if late:
            monkeypatch.setattr("workers.runner._LINGER_SECONDS", 0)
        if not found:
            late.append(scripted.submit())
        return found

    monkeypatch.setattr(Runner, "_take", take_and_submit)
    monkeypatch.setattr("workers.runner._LINGER_SECONDS", 60.0)
    monkeypatch.setattr("workers.runner._TURN_SECONDS", 60.0)
    first = scripted.submit()
    runner.run()
    assert [jobs.get(job.id).state for job in (first, *late)] == ["succeeded"] * 2


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (InvalidInput("too blue", field="kernel"), "invalid_input"),
        (ZeroDivisionError("defect"), "internal"),
        (MemoryError(), "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "storage_full"),
    ],
)
def test_what_a_kind_raises_fails_the_job_and_not_the_worker(
    runner: Runner, scripted: Any, jobs: JobStore, raised: Exception, code: str
) -> None:
    def behave(run: Run) -> None:
        raise raised

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    failed = jobs.get(job.id)
    assert (failed.state, failed.error["code"]) == ("failed", code)
    assert jobs.running_on("w1") == []


def make_gpu_runner(settings: Settings, monkeypatch: pytest.MonkeyPatch, *, works: bool) -> Runner:
    """Return a runner with a GPU that passes its next test or does not."""

    def prove() -> None:
        if not works:
            raise DeviceFailed("it burns")

    monkeypatch.setattr("workers.attempt.prove", prove)
    gpu = Proven(device.gpu("H"), 1 << 30)
    return Runner(settings, worker="w1", pid=1, send=lambda: None, gpu=gpu)


def test_a_job_that_meets_a_failed_gpu_is_lost_and_not_failed(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_gpu_runner(settings, monkeypatch, works=False)
    met = []

    def behave(run: Run) -> None:
        met.append(run.gpu)
        raise RuntimeError("cudaErrorECCUncorrectable")

    scripted.behave = behave
    job, other = scripted.submit(), scripted.submit()
    with pytest.raises(DeviceFailed, match="its GPU failed: it burns"):
        runner.run()
    lost = jobs.get(job.id)
    assert (lost.state, [gpu.name for gpu in met]) == ("queued", ["H"])
    (attempt,) = jobs.attempts(job.id)
    assert (attempt.outcome, attempt.reason) == ("lost", "its GPU failed: it burns")
    # The process begins nothing more, and what it holds is given back undone.
    assert (jobs.get(other.id).attempt, jobs.running_on("w1")) == (0, [])
    # As with processes that die, it may be the job that does it.
    for _ in range(2):
        with pytest.raises(DeviceFailed):
            make_gpu_runner(settings, monkeypatch, works=False).step()
    assert jobs.get(job.id).error["code"] == "poison"


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (RuntimeError("cudaErrorInvalidValue"), "internal"),
        (MemoryError(), "out_of_memory"),
        (InvalidInput("too blue"), "invalid_input"),
    ],
)
def test_a_gpu_that_works_is_not_to_blame(
    settings: Settings,
    scripted: Any,
    jobs: JobStore,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    code: str,
) -> None:
    def behave(run: Run) -> None:
        raise raised

    scripted.behave = behave
    job = scripted.submit()
    # What is the job's own fault is no reason to test the GPU.
    make_gpu_runner(settings, monkeypatch, works=code != "invalid_input").step()
    failed = jobs.get(job.id)
    assert (failed.state, failed.error["code"]) == ("failed", code)


def test_jobs_that_ran_together_on_a_gpu_that_fails_are_lost_together(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def behave(run: Run) -> None:
        runs.append(run)
        raise RuntimeError("cudaErrorLaunchFailure")

    scripted.behave = behave
    alike = NewJob(kind="scripted", spec='{"kind":"scripted"}', alike="x")
    made = [job.id for job, _ in jobs.submit_many([alike] * 5).answers]  # type: ignore[misc]
    few = settings.model_copy(update={"together": 3})
    # On a busy machine the turn may be over before the next ones are claimed.
    monkeypatch.setattr("workers.runner._TURN_SECONDS", 600.0)
    with pytest.raises(DeviceFailed):
        make_gpu_runner(few, monkeypatch, works=False).run()
    assert [jobs.get(job).state for job in made] == ["queued"] * 5
    # Those that were claimed ahead have not met it.
    outcomes = [jobs.attempts(job)[0].outcome for job in made]
    assert outcomes == ["lost"] * 3 + ["released"] * 2
    # All together, then the first of them alone: nothing runs on a GPU that is known to fail.
    assert len(runs) == 4


def test_a_job_none_of_whose_items_worked_is_failed(
    runner: Runner, scripted: Any, jobs: JobStore, artifacts: ArtifactStore
) -> None:
    def behave(run: Run) -> None:
        run.fail_item("cat.jpg", source="sha256:…", error=InvalidInput("no picture"))
        run.advance(failed=True)

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    failed = jobs.get(job.id)
    assert failed.state == "failed"
    assert "cat.jpg" in failed.error["message"]
    assert documents.read(artifacts, failed.results)["failures"][0]["name"] == "cat.jpg"


def test_a_cancelled_job_stops_with_the_next_renewal(
    runner: Runner, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew, renewals = JobStore.renew_many, []

    def counted(self: JobStore, *args: Any, **options: Any) -> Any:
        renewals.append(args)
        return renew(self, *args, **options)

    def behave(run: Run) -> None:
        jobs.cancel(job.id)
        renewals.clear()
        while True:
            run.check()
            time.sleep(0.005)

    monkeypatch.setattr(JobStore, "renew_many", counted)
    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    assert jobs.get(job.id).state == "cancelled"
    # Four times a second where nothing else runs; one may have been on its way.
    assert Lease(jobs, seconds=10)._pause == 0.25
    assert len(renewals) <= 2


def test_a_draining_worker_gives_its_job_back(
    runner: Runner,
    scripted: Any,
    jobs: JobStore,
    client: Any,
    settings: Settings,
) -> None:
    def behave(run: Run) -> None:
        WorkerStore(client, settings).drain("w1")
        while True:
            run.check()
            time.sleep(0.005)

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    assert jobs.get(job.id).state == "queued"
    assert jobs.attempts(job.id)[0].outcome == "released"


def test_an_attempt_that_was_taken_away_stops_and_commits_nothing(
    runner: Runner, scripted: Any, jobs: JobStore
) -> None:
    def behave(run: Run) -> None:
        jobs.abandon(job.id, 1, reason="taken", max_attempts=3)
        jobs.claim(worker="w2", pid=2, lease=60)
        with contextlib.suppress(LeaseLost):
            while True:
                run.check()
                time.sleep(0.005)
        write_late(run)

    def write_late(run: Run) -> None:
        run.results.append({"name": "late", "digest": "sha256:" + "0" * 64})

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    now = jobs.get(job.id)
    assert (now.state, now.worker, now.results) == ("running", "w2", None)


def test_a_long_job_keeps_its_lease(
    runner: Runner, scripted: Any, jobs: JobStore, client: Any, settings: Settings
) -> None:
    def ends() -> float:
        return float(client.zscore(f"{settings.redis_prefix}:leases", job.id))

    def behave(run: Run) -> None:
        for _ in range(3):
            before = ends()
            assert wait_until(lambda before=before: ends() > before, 60, 0.01)
            run.check()

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    assert jobs.get(job.id).state == "succeeded"


def counting(run: Run, until: int) -> None:
    """Count as far as ``until``, saving each number, from where the last attempt came to."""
    saved = run.resume()
    count = 0 if saved is None else int(saved.read_text())
    try:
        while count < until:
            run.check()
            time.sleep(0.01)
            count += 1
    except (Continued, Drained):
        run.checkpoint(lambda path: path.write_text(str(count)) and None)
        raise
    write_text(run, str(count))


def test_long_work_is_done_in_pieces(
    settings: Settings,
    scripted: Any,
    jobs: JobStore,
    artifacts: ArtifactStore,
) -> None:
    runner = make_runner(settings, continue_after=0.1)
    scripted.behave = lambda run: counting(run, until=25)
    job = scripted.submit()
    pieces = 0
    while jobs.get(job.id).state == "queued":
        runner.step()
        pieces += 1
    done = jobs.get(job.id)
    assert (done.state, done.checkpoint) == ("succeeded", None)
    (result,) = documents.read(artifacts, done.results)["results"]
    assert artifacts.read(result["digest"]) == b"25"
    outcomes = [attempt.outcome for attempt in jobs.attempts(job.id)]
    assert outcomes == ["continued"] * (pieces - 1) + ["succeeded"]
    assert pieces > 2


def test_work_that_cannot_be_resumed_is_not_cut(
    settings: Settings, scripted: Any, jobs: JobStore
) -> None:
    def behave(run: Run) -> None:
        time.sleep(0.1)
        run.check()

    scripted.behave = behave
    job = scripted.submit()
    make_runner(settings, continue_after=0.01).step()
    assert jobs.get(job.id).state == "succeeded"


def test_a_worker_that_drains_may_end_what_it_runs_but_begins_nothing(
    runner: Runner, scripted: Any, jobs: JobStore, client: Any, settings: Settings
) -> None:
    workers = WorkerStore(client, settings)

    def behave(run: Run) -> None:
        workers.drain("w1", after=60)
        time.sleep(0.3)  # it renews meanwhile
        run.check()

    scripted.behave = behave
    first, second = scripted.submit(), scripted.submit()
    runner.run()
    assert jobs.get(first.id).state == "succeeded"
    assert jobs.get(second.id).state == "queued"
    workers.resume("w1")
    runner.run()
    assert jobs.get(second.id).state == "succeeded"


def test_while_the_queue_is_paused_nothing_is_claimed(
    runner: Runner, scripted: Any, jobs: JobStore
) -> None:
    job = scripted.submit()
    jobs.pause()
    runner.run()
    assert (jobs.get(job.id).state, jobs.missing_messages(age=0)) == ("queued", 0)
    jobs.resume()
    assert jobs.missing_messages(age=0) == 1
    runner.run()
    assert jobs.get(job.id).state == "succeeded"


def test_a_claim_whose_answer_was_lost_is_found_again(jobs: JobStore, scripted: Any) -> None:
    scripted.submit()
    other = scripted.submit()
    (first,) = jobs.claim(worker="w1", pid=1, lease=60, token="one")
    (again,) = jobs.claim(worker="w1", pid=1, lease=60, token="one")
    assert (again.id, again.attempt) == (first.id, first.attempt)
    assert [job.id for job in jobs.claim(worker="w1", pid=1, lease=60, token="two")] == [other.id]


def test_a_drained_worker_saves_and_another_goes_on(
    runner: Runner,
    settings: Settings,
    scripted: Any,
    jobs: JobStore,
    client: Any,
) -> None:
    def behave(run: Run) -> None:
        WorkerStore(client, settings).drain("w1")
        counting(run, until=10_000)

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    saved = jobs.get(job.id).checkpoint

    def go_on(run: Run) -> None:
        assert saved is not None
        assert run.resume() == run.fetch(saved)

    scripted.behave = go_on
    make_runner(settings, "w2").step()
    assert [a.outcome for a in jobs.attempts(job.id)] == ["released", "succeeded"]


def test_an_attempt_that_was_taken_away_saves_nothing(
    runner: Runner, scripted: Any, jobs: JobStore
) -> None:
    def behave(run: Run) -> None:
        jobs.abandon(job.id, 1, reason="taken", max_attempts=3)
        jobs.claim(worker="w2", pid=2, lease=60)
        run.checkpoint(lambda path: path.write_text("late") and None)

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    now = jobs.get(job.id)
    assert (now.state, now.worker, now.checkpoint) == ("running", "w2", None)


def test_a_checkpoint_that_is_swept_at_once_is_written_again(
    runner: Runner, scripted: Any, jobs: JobStore, artifacts: ArtifactStore, garbage: Garbage
) -> None:
    writes = []

    def write(path: Path) -> None:
        writes.append(path.write_text("state"))

    def behave(run: Run) -> None:
        keep = run._keep

        def sweep_first(digest: str) -> bool:
            if len(writes) == 1:
                garbage.sweep(age=-1)
            return keep(digest)

        run._keep = sweep_first
        run.checkpoint(write)
        assert len(writes) == 2
        assert artifacts.read(jobs.get(job.id).checkpoint) == b"state"

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    assert jobs.get(job.id).state == "succeeded"


def test_reports_arrive_in_order_and_before_the_end(
    runner: Runner, scripted: Any, jobs: JobStore
) -> None:
    def behave(run: Run) -> None:
        for epoch in range(5):
            run.report({"epoch": epoch, "loss": float("nan")}, lasts=True)
            run.report({"epoch": epoch, "step": 1})
            if epoch == 2:
                time.sleep(0.3)  # more than between two renewals

    scripted.behave = behave
    job = scripted.submit()
    runner.step()
    events = [event for event in jobs.events(job.id) if event.event in ("metrics", "state")]
    lasting = [event.data["epoch"] for event in events if "loss" in event.data]
    assert lasting == [0, 1, 2, 3, 4]
    assert events[-1].data["state"] == "succeeded"
    assert jobs.get(job.id).metrics == {"epoch": 4, "step": 1}
    assert all(event.data.get("loss") is None for event in events)


def test_metrics_that_are_too_large_for_a_record_are_a_defect(
    runner: Runner, scripted: Any, jobs: JobStore
) -> None:
    scripted.behave = lambda run: run.report({"text": "x" * 3000})
    job = scripted.submit()
    runner.step()
    assert jobs.get(job.id).error["code"] == "internal"


def test_a_job_goes_on_when_those_that_it_began_have_ended(
    runner: Runner, scripted: Any, jobs: JobStore
) -> None:
    def begin(run: Run) -> None:
        begun = [run.children.begin(name, scripted.spec()) for name in ("a", "b")]
        if any(child.state not in TERMINAL for child in begun):
            raise Waiting([child.id for child in begun])
        assert {run.children.get(child.id).state for child in begun} == {"succeeded"}
        write_text(run, "both")

    scripted.behave = begin
    new = NewJob(kind="scripted", spec='{"kind":"scripted"}', priority="batch", device="cpu")
    ((parent, _),) = jobs.submit_many([new]).answers  # type: ignore[misc]
    runner.step()
    assert jobs.get(parent.id).state == "waiting"
    children = [child for child in jobs.page().jobs if child.parent == parent.id]
    assert [(child.priority, child.device) for child in children] == [("batch", "cpu")] * 2
    scripted.behave = lambda run: None
    for _ in children:
        runner.step()
    scripted.behave = begin
    runner.step()
    assert jobs.get(parent.id).state == "succeeded"
    assert [a.outcome for a in jobs.attempts(parent.id)] == ["waiting", "succeeded"]


def test_finished_work_waits_for_a_redis_that_is_away(tmp_path: Path, scripted: Any) -> None:
    with RedisServer(tmp_path / "redis") as server:
        settings = Settings(redis_url=server.url, store_url=str(tmp_path / "store"))
        with connect(settings) as client:
            jobs = JobStore(client)
            job, _ = jobs.submit(kind="scripted", spec='{"kind":"scripted"}', artifacts=[])

            def behave(run: Run) -> None:
                server.kill()
                threading.Timer(1.0, server.start).start()

            scripted.behave = behave
            make_runner(settings).step()
            assert jobs.get(job.id).state == "succeeded"
