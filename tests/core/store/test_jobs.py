"""The transitions of a job, against a real Redis."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from core.errors import Conflict, InvalidInput, NotFound
from core.store.artifacts import ArtifactStore
from core.store.jobs import End, Job, JobStore, NewJob, Progress


def submit(jobs: JobStore, **fields: object) -> Job:
    return jobs.submit(**({"kind": "convolve", "spec": "{}", "artifacts": []} | fields))[0]  # type: ignore[arg-type]


def claim(jobs: JobStore, job: Job, worker: str = "w1", lease: float = 60) -> int | None:
    """Claim the best job; if there is one, it must be this."""
    claimed = jobs.claim(worker=worker, pid=1, lease=lease)
    assert [best.id for best in claimed] in ([], [job.id])
    return claimed[0].attempt if claimed else None


def finish(jobs: JobStore, job: Job, attempt: int, state: str = "succeeded") -> bool:
    return jobs.finish(job.id, attempt, state, progress=Progress(1, 1), timings={"load": 0.5})  # type: ignore[arg-type]


def states(jobs: JobStore, job: Job) -> list[str]:
    return [event.data["state"] for event in jobs.events(job.id) if event.event == "state"]


def test_a_job_goes_from_queued_through_running_to_succeeded(jobs: JobStore) -> None:
    job = submit(jobs, label="mine", total=3)
    assert (job.state, job.label, job.progress.total, job.attempt) == ("queued", "mine", 3, 0)
    attempt = claim(jobs, job)
    assert attempt == 1
    assert jobs.get(job.id).state == "running"
    assert [running.id for running in jobs.running_on("w1")] == [job.id]
    assert finish(jobs, job, attempt)
    done = jobs.get(job.id)
    assert (done.state, done.progress.done, done.timings) == ("succeeded", 1, {"load": 0.5})
    assert done.created <= done.started <= done.finished
    assert jobs.running_on("w1") == []
    assert states(jobs, job) == ["queued", "running", "succeeded"]
    (entry,) = jobs.attempts(job.id)
    assert (entry.worker, entry.outcome) == ("w1", "succeeded")
    assert jobs.counts() == {
        "queued": 0, "running": 0, "waiting": 0, "succeeded": 1, "failed": 0, "cancelled": 0,
    }  # fmt: skip


def test_only_one_of_many_claims_wins(jobs: JobStore) -> None:
    job = submit(jobs)
    with ThreadPoolExecutor(16) as pool:
        won = [a for a in pool.map(lambda n: claim(jobs, job, f"w{n}"), range(64)) if a]
    assert won == [1]


@pytest.mark.parametrize("state", ["running", "succeeded", "failed", "cancelled"])
def test_a_job_that_is_not_queued_is_not_claimed(jobs: JobStore, state: str) -> None:
    job = submit(jobs)
    attempt = claim(jobs, job)
    if state != "running":
        finish(jobs, job, attempt, state)
    assert claim(jobs, job, "w2") is None
    assert jobs.get(job.id).state == state


def test_nothing_is_claimed_where_nothing_is_queued(jobs: JobStore) -> None:
    assert jobs.claim(worker="w", pid=1, lease=1) == []


def test_an_attempt_that_lost_its_lease_cannot_commit(jobs: JobStore) -> None:
    job = submit(jobs)
    first = claim(jobs, job, "slow", lease=0.001)
    time.sleep(0.01)
    assert jobs.expire(max_attempts=3) == {job.id: "queued"}
    second = claim(jobs, job, "quick")
    assert second == 2
    assert jobs.renew(job.id, first, lease=60) == "lost"
    assert not finish(jobs, job, first)
    assert not jobs.release(job.id, first, "drained")
    assert jobs.get(job.id).state == "running"
    assert finish(jobs, job, second)
    assert [a.outcome for a in jobs.attempts(job.id)] == ["expired", "succeeded"]


def test_a_renewed_lease_does_not_run_out(jobs: JobStore) -> None:
    job = submit(jobs)
    attempt = claim(jobs, job, lease=0.05)
    assert jobs.renew(job.id, attempt, lease=60, progress=Progress(1, 2, 0, "load")) == "ok"
    time.sleep(0.06)
    assert jobs.expire(max_attempts=3) == {}
    assert jobs.get(job.id).progress == Progress(1, 2, 0, "load")
    assert [e.data["done"] for e in jobs.events(job.id) if e.event == "progress"] == [1]


def test_a_job_that_is_lost_too_often_is_failed_with_its_history(jobs: JobStore) -> None:
    job = submit(jobs)
    for _ in range(3):
        claim(jobs, job, lease=0.001)
        time.sleep(0.005)
        jobs.expire(max_attempts=3)
    poisoned = jobs.get(job.id)
    assert (poisoned.state, poisoned.error["code"]) == ("failed", "poison")
    assert "3 times" in poisoned.error["message"]
    assert [a.number for a in jobs.attempts(job.id)] == [1, 2, 3]


def test_draining_gives_a_job_back_without_counting_a_loss(jobs: JobStore) -> None:
    job = submit(jobs)
    for _ in range(5):
        assert jobs.release(job.id, claim(jobs, job), "drained")
    assert jobs.get(job.id).state == "queued"


def test_the_death_of_a_process_ends_its_attempt_and_no_other(jobs: JobStore) -> None:
    job = submit(jobs)
    first = claim(jobs, job)
    assert jobs.abandon(job.id, first, reason="died", max_attempts=3) == "queued"
    assert jobs.abandon(job.id, first, reason="died", max_attempts=3) is None
    claim(jobs, job)
    assert jobs.abandon(job.id, first, reason="died", max_attempts=3) is None


def test_cancelling_a_queued_job_is_immediate(jobs: JobStore) -> None:
    job = submit(jobs)
    assert jobs.cancel(job.id) == "cancelled"
    assert jobs.cancel(job.id) == "cancelled"
    assert claim(jobs, job) is None


def test_cancelling_a_running_job_waits_for_the_worker(jobs: JobStore) -> None:
    job = submit(jobs)
    attempt = claim(jobs, job)
    assert jobs.cancel(job.id) == "running"
    assert jobs.renew(job.id, attempt, lease=60) == "cancel"
    assert jobs.get(job.id).state == "running"
    assert finish(jobs, job, attempt, "cancelled")
    assert jobs.get(job.id).state == "cancelled"


@pytest.mark.parametrize("loss", ["expire", "abandon"])
def test_a_cancelled_job_whose_process_is_gone_is_cancelled(jobs: JobStore, loss: str) -> None:
    job = submit(jobs)
    attempt = claim(jobs, job, lease=0.001)
    jobs.cancel(job.id)
    time.sleep(0.005)
    if loss == "expire":
        jobs.expire(max_attempts=3)
    else:
        jobs.abandon(job.id, attempt, reason="killed", max_attempts=3)
    assert jobs.get(job.id).state == "cancelled"


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_an_ended_job_cannot_be_cancelled(jobs: JobStore, state: str) -> None:
    job = submit(jobs)
    finish(jobs, job, claim(jobs, job), state)
    with pytest.raises(Conflict, match=state):
        jobs.cancel(job.id)


def test_retry_queues_a_failed_job_afresh(jobs: JobStore) -> None:
    job = submit(jobs, total=3)
    attempt = claim(jobs, job)
    jobs.finish(
        job.id, attempt, "failed", progress=Progress(2, 3), timings={}, error={"message": "no"}
    )
    assert jobs.get(job.id).error == {"message": "no"}
    jobs.retry(job.id)
    again = jobs.get(job.id)
    assert (again.state, again.error, again.finished) == ("queued", None, None)
    assert (again.progress.done, again.progress.total) == (0, 3)
    assert claim(jobs, job) == 2
    with pytest.raises(Conflict, match="running"):
        jobs.retry(job.id)


def test_what_does_not_exist_is_not_found(jobs: JobStore) -> None:
    for action in (jobs.get, jobs.cancel, jobs.retry, jobs.delete):
        with pytest.raises(NotFound, match="no such job"):
            action("nothing")


def test_deleting_leaves_no_key_behind(
    jobs: JobStore, artifacts: ArtifactStore, client: redis.Redis
) -> None:
    before = set(client.keys("*"))
    kept = artifacts.put(b"input", "application/octet-stream")
    job = submit(jobs, label="x", artifacts=[kept.digest])
    with pytest.raises(Conflict, match="queued"):
        jobs.delete(job.id)
    jobs.cancel(job.id)
    jobs.delete(job.id)
    left = set(client.keys("*")) - before
    past = {key for key in left if key.startswith("convq:history:")}
    assert all(client.ttl(key) > 0 for key in past)
    assert left - past == {
        *("convq:artifacts", "convq:stored", "convq:sums"),
        f"convq:artifact:{kept.digest}",
    }
    assert client.hget(f"convq:artifact:{kept.digest}", "refs") == "0"


def test_a_submission_that_is_repeated_changes_nothing(
    jobs: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer may be lost with the connection; then the client library sends it again."""
    job = submit(jobs)
    assert claim(jobs, job) == 1
    monkeypatch.setattr("core.store.jobs.new_id", lambda: job.id)
    assert submit(jobs).state == "running"
    assert states(jobs, job) == ["queued", "running"]


class TestIdempotency:
    def test_the_same_request_gives_the_same_job(self, jobs: JobStore) -> None:
        with ThreadPoolExecutor(16) as pool:
            made = list(
                pool.map(
                    lambda _: jobs.submit(
                        kind="convolve", spec="{}", artifacts=[], idempotency_key="k",
                        fingerprint="f",
                    ),
                    range(100),
                )
            )  # fmt: skip
        assert len({job.id for job, _ in made}) == 1
        assert sum(created for _, created in made) == 1

    def test_another_request_under_the_same_key_is_refused(self, jobs: JobStore) -> None:
        submit(jobs, idempotency_key="k", fingerprint="f")
        with pytest.raises(InvalidInput, match="another request"):
            submit(jobs, idempotency_key="k", fingerprint="g")


class TestPages:
    def test_pages_are_newest_first_and_complete(self, jobs: JobStore) -> None:
        made = []
        for _ in range(25):
            made.append(submit(jobs).id)
            time.sleep(0.001)
        seen: list[str] = []
        cursor = None
        while True:
            page = jobs.page(limit=10, cursor=cursor)
            seen += [job.id for job in page.jobs]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == made[::-1]

    def test_filters_combine(self, jobs: JobStore) -> None:
        wanted = submit(jobs, label="a")
        submit(jobs, label="b")
        other = submit(jobs, label="a")
        jobs.cancel(other.id)
        page = jobs.page(state="queued", kind="convolve", label="a")
        assert [job.id for job in page.jobs] == [wanted.id]
        assert jobs.page(kind="train").jobs == []

    def test_a_full_last_page_has_no_next(self, jobs: JobStore) -> None:
        for _ in range(4):
            submit(jobs)
        assert jobs.page(limit=4).cursor is None


class TestLostMessages:
    LIST = "convq:celery:convq"

    def test_there_is_a_message_for_each_job_up_to_a_bound(
        self, jobs: JobStore, client: redis.Redis
    ) -> None:
        for _ in range(3):
            submit(jobs)
        time.sleep(0.02)
        assert jobs.missing_messages(age=10) == 0
        assert jobs.missing_messages(age=0.01) == 3
        client.rpush(self.LIST, "wake up")
        assert jobs.missing_messages(age=0.01) == 2
        client.rpush(self.LIST, *["wake up"] * 3)
        assert jobs.missing_messages(age=0.01) == 0

    def test_a_thousand_jobs_need_few_messages(self, jobs: JobStore) -> None:
        recorded = jobs.submit_many([NewJob(kind="convolve", spec="{}")] * 1000)
        assert recorded.missing == jobs.missing_messages(age=0) == 16

    def test_claimed_jobs_need_none(self, jobs: JobStore) -> None:
        job = submit(jobs)
        claim(jobs, job)
        assert jobs.missing_messages(age=0) == 0


@pytest.mark.parametrize(
    ("part", "state"),
    [
        ("attempts", "succeeded"),
        ("artifacts", "succeeded"),
        ("events", "succeeded"),
        ("children", "failed"),
    ],
)
def test_a_job_whose_end_cannot_be_written_does_not_run_for_ever(
    jobs: JobStore, artifacts: ArtifactStore, client: redis.Redis, part: str, state: Any
) -> None:
    made = artifacts.put(b"made", "application/octet-stream").digest
    broken, sound = submit(jobs), submit(jobs)
    ends = [
        End(job.id, found.attempt, state, Progress(), {}, artifacts=(made,))
        for job in (broken, sound)
        for found in jobs.claim(worker="w", pid=1, lease=600)
    ]
    key = f"convq:job:{broken.id}:{part}"
    client.delete(key)
    client.set(key, "of a wrong type")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        jobs.finish_many(ends)
    assert jobs.get(sound.id).state == state
    client.delete(key)
    client.zadd("convq:leases", {broken.id: 1}, xx=True)  # it has run out by now
    jobs.expire(max_attempts=3)
    assert jobs.get(broken.id).state in (state, "queued")
    assert client.zcard("convq:leases") == 0
    assert jobs.running_on("w") == []


@pytest.mark.parametrize("most", [1, 2], ids=["alone", "together"])
def test_a_job_that_cannot_begin_fails_and_others_go_on(
    jobs: JobStore, client: redis.Redis, most: int
) -> None:
    broken, sound = (submit(jobs, alike="alike") for _ in range(2))
    client.set(f"convq:job:{broken.id}:attempts", "of a wrong type")
    (claimed,) = jobs.claim(worker="w", pid=1, lease=60, most=most)
    assert claimed.id == sound.id
    failed = jobs.get(broken.id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert "WRONGTYPE" in failed.error["message"]
    assert [job.id for job in jobs.running_on("w")] == [sound.id]
    assert jobs.claim(worker="w", pid=1, lease=60) == []


@pytest.mark.parametrize("broken_at", [0, 1], ids=["the best", "one like it"])
def test_a_job_of_which_nothing_can_be_read_does_not_hold_up_the_queue(
    jobs: JobStore, client: redis.Redis, broken_at: int
) -> None:
    both = [submit(jobs, alike="alike") for _ in range(2)]
    key = f"convq:job:{both.pop(broken_at).id}"
    client.delete(key)
    client.set(key, "of a wrong type")
    assert [job.id for job in jobs.claim(worker="w", pid=1, lease=60, most=2)] == [both[0].id]
    assert jobs.claim(worker="w", pid=1, lease=60) == []
    assert client.zcard("convq:waiting:normal") == 0


def test_a_broken_record_does_not_keep_other_leases_from_running_out(
    jobs: JobStore, client: redis.Redis
) -> None:
    broken, sound = submit(jobs), submit(jobs)
    for job in (broken, sound):
        claim(jobs, job, lease=0.001)
    client.delete(f"convq:job:{broken.id}:attempts")
    client.set(f"convq:job:{broken.id}:attempts", "of a wrong type")
    time.sleep(0.01)
    found = jobs.expire(max_attempts=3)
    assert found[sound.id] == "queued"
    assert "WRONGTYPE" in found[broken.id]


def test_results_must_exist_to_be_committed(jobs: JobStore) -> None:
    job = submit(jobs)
    attempt = claim(jobs, job)
    with pytest.raises(redis.ResponseError, match="does not exist"):
        jobs.finish(
            job.id, attempt, "succeeded", progress=Progress(), timings={},
            artifacts=("sha256:" + "0" * 64,),
        )  # fmt: skip
    assert jobs.get(job.id).state == "running"


def test_submitting_with_an_unknown_artifact_leaves_nothing(
    jobs: JobStore, client: redis.Redis
) -> None:
    with pytest.raises(NotFound, match="upload it first"):
        submit(jobs, artifacts=["sha256:" + "0" * 64])
    assert client.keys("*") == []


def test_sweep_deletes_what_ended_long_ago(jobs: JobStore) -> None:
    old, alive = submit(jobs), submit(jobs)
    jobs.cancel(old.id)
    assert jobs.sweep(age=3600) == 0
    time.sleep(1.1)
    assert jobs.sweep(age=0.1) == 1
    assert [job.id for job in jobs.page().jobs] == [alive.id]


def test_records_stay_small(jobs: JobStore, client: redis.Redis) -> None:
    job = submit(jobs, label="l" * 200, spec=json.dumps("s" * 4000), plan=json.dumps("p" * 4000))
    fields = client.hgetall(f"convq:job:{job.id}")
    assert sum(len(k) + len(v) for k, v in fields.items()) < 16_384


def test_leases_are_renewed_together_each_for_itself(jobs: JobStore, client: redis.Redis) -> None:
    made = [jobs.submit(kind="convolve", spec="{}")[0] for _ in range(3)]
    for _ in made:
        jobs.claim(worker="w", pid=1, lease=5)
    jobs.cancel(made[1].id)
    client.script_flush()  # as after a restart
    claims = [(job.id, 1, Progress(done=1, total=2)) for job in made]
    claims.append((made[0].id, 2, None))
    assert jobs.renew_many(claims, lease=5) == ["ok", "cancel", "ok", "lost"]
    assert jobs.get(made[2].id).progress.done == 1


def test_jobs_of_one_script_keep_their_own_plans(jobs: JobStore) -> None:
    plans = ["{}", None, '{"a":1}', "{}", '{"a":1}']
    new = [NewJob(kind="convolve", spec="{}", plan=plan) for plan in plans]
    answers = jobs.submit_many(new).answers
    assert [jobs.get(job.id).plan for job, _ in answers] == plans
