"""The job kind ``sweep``: real records and real trainings, one after the other in this process."""

from __future__ import annotations

import csv
import io
import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from core.conv.device import cpu
from core.errors import InvalidInput
from core.jobs import sweep
from core.jobs.kind import Planning
from core.jobs.sweep import SweepSpec
from core.media import EXTENSIONS
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore
from tests.core.jobs.service import Service

RATES = [0.0001, 0.001, 0.01, 0.03]


class Sweeps(Service):
    """What sweeps make."""

    def files(self, job: Job) -> dict[str, bytes]:
        return {entry["name"]: self.artifacts.read(entry["digest"]) for entry in self.results(job)}

    def table(self, job: Job) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.files(job)["sweep.json"])["candidates"]
        return rows


@pytest.fixture
def service(settings: Settings, jobs: JobStore, artifacts: ArtifactStore) -> Sweeps:
    return Sweeps(settings, jobs, artifacts)


def spec_of(trainings: Any, options: dict[str, Any] | None = None, **fields: Any) -> SweepSpec:
    train = trainings.spec(
        trainings.data(), options={"epochs": 4, "batch": 16, "validation": 0.2} | (options or {})
    )
    document = {
        "kind": "sweep",
        "train": train.model_dump(mode="json", exclude_unset=True),
        "vary": {"options.schedule.rate": RATES},
    }
    return SweepSpec.model_validate(document | fields)


def test_every_candidate_is_a_job_and_they_are_compared(service: Sweeps, trainings: Any) -> None:
    job = service.submit(spec_of(trainings))
    service.step()
    assert service.jobs.get(job.id).state == "waiting"
    assert len(service.children(job)) == 4
    service.work()
    rows = service.table(job)
    losses = [row["validation_loss"] for row in rows]
    assert losses == sorted(losses)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert {row["values"]["options.schedule.rate"] for row in rows} == set(RATES)
    assert {row["state"] for row in rows} == {"succeeded"}
    assert {child.label for child in service.children(job)} == {job.id}
    done = service.jobs.get(job.id)
    assert (done.progress.done, done.progress.total) == (4, 4)
    assert {child.worker for child in service.children(job)} == {"w1", "w2"}


def test_the_table_is_also_csv_and_the_best_model_is_a_result(
    service: Sweeps, trainings: Any
) -> None:
    job = service.submit(spec_of(trainings))
    service.work()
    results = service.files(job)
    rows = service.table(job)
    lines = list(csv.DictReader(io.StringIO(results["sweep.csv"].decode())))
    assert [float(line["validation_loss"]) for line in lines] == [
        row["validation_loss"] for row in rows
    ]
    assert [line["options.schedule.rate"] for line in lines] == [
        str(row["values"]["options.schedule.rate"]) for row in rows
    ]
    winner = service.jobs.get(rows[0]["jobs"][-1])
    assert results["model.safetensors"] == service.files(winner)["model.safetensors"]


def test_halving_trains_the_worst_no_further(service: Sweeps, trainings: Any) -> None:
    halving = {"first": 1, "factor": 2}
    job = service.submit(spec_of(trainings, halving=halving))
    service.work()
    rows = service.table(job)
    assert [row["epochs"] for row in rows] == [4, 2, 1, 1]
    assert [len(row["jobs"]) for row in rows] == [3, 2, 1, 1]
    assert [row["state"] for row in rows] == ["succeeded"] + ["stopped early"] * 3
    assert len(service.children(job)) == service.jobs.get(job.id).progress.total == 7
    # The one that came through is what it would have been without halving.
    whole = service.submit(spec_of(trainings))
    service.work()
    (same,) = [row for row in service.table(whole) if row["values"] == rows[0]["values"]]
    assert same["validation_loss"] == rows[0]["validation_loss"]


def test_a_sweep_that_dies_halfway_begins_nothing_twice(service: Sweeps, trainings: Any) -> None:
    job = service.submit(spec_of(trainings))
    begin, begun = service.jobs.submit_many, []

    class Killed(BaseException):
        pass

    def dying(new: Any) -> Any:
        begun.append(begin(new))
        if len(begun) == 2:
            raise Killed
        return begun[-1]

    runner = service.runners[0]
    runner._jobs.submit_many = dying
    with pytest.raises(Killed):
        runner.step()
    runner._jobs.submit_many = begin
    assert service.jobs.abandon(job.id, 1, reason="died", max_attempts=3) == "queued"
    service.work()
    assert len(service.children(job)) == 4
    assert {child.attempt for child in service.children(job)} == {1}
    assert len(service.table(job)) == 4


def test_candidates_that_fail_are_last_and_say_why(service: Sweeps, trainings: Any) -> None:
    vary = {"options.schedule": [
        {"schedule": "constant", "rate": 100.0}, {"schedule": "constant", "rate": 0.001},
    ]}  # fmt: skip
    sgd = {"optimiser": {"optimiser": "sgd", "momentum": 0.99}, "epochs": 20}
    job = service.submit(spec_of(trainings, options=sgd, vary=vary))
    service.work()
    good, bad = service.table(job)
    assert (good["state"], bad["state"], bad["validation_loss"]) == ("succeeded", "failed", None)
    assert "step" in bad["error"]


def test_a_sweep_none_of_whose_candidates_works_fails_with_the_reason(
    service: Sweeps, trainings: Any
) -> None:
    vary = {"options.schedule": [{"schedule": "constant", "rate": 100.0}]}
    sgd = {"optimiser": {"optimiser": "sgd", "momentum": 0.99}, "epochs": 20}
    job = service.submit(spec_of(trainings, options=sgd, vary=vary))
    service.work()
    failed = service.jobs.get(job.id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert "no candidate" in failed.error["message"]
    assert "step" in failed.error["message"]


def test_cancelling_a_sweep_cancels_its_candidates_and_a_retry_tries_them_again(
    service: Sweeps, trainings: Any
) -> None:
    job = service.submit(spec_of(trainings))
    service.step()
    service.step()
    service.jobs.cancel(job.id)
    states = [child.state for child in service.children(job)]
    assert sorted(states) == ["cancelled"] * 3 + ["succeeded"]
    assert service.jobs.get(job.id).state == "cancelled"
    service.jobs.retry(job.id)
    service.work()
    assert {row["state"] for row in service.table(job)} == {"succeeded"}


@pytest.mark.parametrize(
    ("options", "fields", "field"),
    [
        ({}, {"vary": {"options.colour": [1]}}, "vary.options.colour"),
        ({"validation": 0.0}, {}, "objective"),
        (
            {},
            {"vary": {"options.epochs": [1, 2]}, "halving": {"first": 1}},
            "vary.options.epochs",
        ),
        ({}, {"vary": {"model.layers.3.features": [3, 4]}}, "model"),
    ],
)
def test_a_sweep_that_cannot_work_is_refused_before_it_is_queued(
    service: Sweeps,
    trainings: Any,
    options: dict[str, Any],
    fields: dict[str, Any],
    field: str,
) -> None:
    with pytest.raises(InvalidInput) as caught:
        service.submit(spec_of(trainings, options=options, **fields))
    assert caught.value.field == field
    assert service.jobs.page().jobs == []


def test_a_plan_counts_candidates_and_rungs(trainings: Any) -> None:
    spec = spec_of(trainings, halving={"first": 1, "factor": 2})
    inputs = {digest: trainings.artifacts.get(digest) for digest in sweep.references(spec)}
    plan = sweep.plan(spec, Planning(trainings.artifacts, inputs, cpu(), 1 << 32))
    assert plan["candidates"] == 4
    assert plan["rungs"] == [
        {"candidates": 4, "until": 1},
        {"candidates": 2, "until": 2},
        {"candidates": 1, "until": 4},
    ]
    alone = trainings.plan(spec.train)
    assert plan["seconds"] == pytest.approx(alone["seconds_per_epoch"] * (4 + 2 + 2))


def test_results_are_of_media_types_that_the_service_can_name(
    service: Sweeps, trainings: Any
) -> None:
    job = service.submit(spec_of(trainings))
    service.work()
    for found in (job, *service.children(job)):
        text = service.jobs.get(found.id).results
        assert text is not None
        for entry in documents.read(service.artifacts, text)["results"]:
            assert EXTENSIONS[entry["media_type"]] == PurePosixPath(entry["name"]).suffix
