"""A store of artifacts that goes away costs time, and no job."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import StoreAway
from core.jobs.run import Run
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.jobs import JobStore
from workers import runner as runner_module
from workers.runner import Runner


def make_runner(settings: Settings) -> Runner:
    return Runner(settings, worker="w1", pid=1, send=lambda: None)


def test_a_job_is_given_back_and_run_again(
    settings: Settings, scripted: Any, jobs: JobStore
) -> None:
    calls = []

    def behave(run: Run) -> None:
        calls.append(run)
        if len(calls) < 5:  # more often than a job may be lost
            raise StoreAway("away")

    scripted.behave = behave
    job = scripted.submit()
    runner = make_runner(settings)
    while runner.step():
        pass
    assert jobs.get(job.id).state == "succeeded"
    attempts = jobs.attempts(job.id)
    assert [attempt.outcome for attempt in attempts] == ["released"] * 4 + ["succeeded"]
    assert attempts[0].reason == "the artifact store went away"


def test_the_work_is_not_begun_again_before_the_store_answers(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def check_writable(self: ArtifactStore) -> None:
        looks.append(self)
        if len(looks) < 3:
            raise StoreAway("away")

    monkeypatch.setattr(ArtifactStore, "check_writable", check_writable)
    scripted.behave = lambda run: (_ for _ in ()).throw(StoreAway("away"))
    job = scripted.submit()
    make_runner(settings).step()
    assert len(looks) == 3
    assert jobs.get(job.id).state == "queued"


def test_waiting_has_an_end(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_writable(self: ArtifactStore) -> None:
        raise StoreAway("away")

    monkeypatch.setattr(ArtifactStore, "check_writable", check_writable)
    monkeypatch.setattr(runner_module, "PATIENCE_SECONDS", 0.3)
    scripted.behave = lambda run: (_ for _ in ()).throw(StoreAway("away"))
    job = scripted.submit()
    make_runner(settings).step()
    assert jobs.get(job.id).state == "queued"


def test_a_job_that_waits_for_the_store_can_be_cancelled(
    settings: Settings, scripted: Any, jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_writable(self: ArtifactStore) -> None:
        jobs.cancel(job.id)
        raise StoreAway("away")

    monkeypatch.setattr(ArtifactStore, "check_writable", check_writable)
    scripted.behave = lambda run: (_ for _ in ()).throw(StoreAway("away"))
    job = scripted.submit()
    make_runner(settings).step()
    assert jobs.get(job.id).state == "cancelled"
