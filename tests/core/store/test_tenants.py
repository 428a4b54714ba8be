"""One tenant's things do not exist for another, also in the store alone."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from core.errors import InvalidInput, NotFound
from core.store.artifacts import ArtifactStore, digest_of
from core.store.jobs import JobStore, Place, Progress
from core.store.models import ModelStore
from core.store.tenants import check_tenant


def submit(jobs: JobStore, **more: Any) -> Any:
    return jobs.submit(**({"kind": "convolve", "spec": "{}", "artifacts": []} | more))


def test_a_job_is_found_and_listed_by_its_tenant_alone(jobs: JobStore) -> None:
    ours, theirs = jobs.of("ours"), jobs.of("theirs")
    job, is_new = submit(ours, label="x", idempotency_key="k", fingerprint="f")
    assert is_new
    assert job.tenant == "ours"
    for others in (theirs, jobs.of("default")):
        for act in (others.get, others.cancel, others.retry, others.delete):
            with pytest.raises(NotFound):
                act(job.id)
        for filters in ({}, {"state": "queued"}, {"kind": "convolve"}, {"label": "x"}):
            assert others.page(**filters).jobs == []  # type: ignore[arg-type]
        assert others.counts()["queued"] == 0
        assert others.oldest_queued() is None
    for filters in ({}, {"state": "queued"}, {"kind": "convolve"}, {"label": "x"}):
        assert [job.id for job in ours.page(**filters).jobs] == [job.id]  # type: ignore[arg-type]
    assert ours.get(job.id) == jobs.get(job.id)
    assert ours.counts()["queued"] == jobs.counts()["queued"] == 1
    assert ours.oldest_queued() == jobs.oldest_queued() == job.created


def test_the_jobs_of_all_tenants_are_listed_together_newest_first(jobs: JobStore) -> None:
    whose = ("ours", "theirs", "default", "theirs", "theirs", "ours", "default")
    made = [
        submit(jobs.of(tenant), label="x" * (at % 2) or None)[0] for at, tenant in enumerate(whose)
    ]
    newest = [job.id for job in reversed(made)]
    for filters in ({}, {"label": "x"}, {"label": "x", "state": "queued"}):
        wanted = newest[1::2] if filters else newest
        seen: list[str] = []
        cursor = None
        while True:
            page = jobs.of(None).page(limit=2, cursor=cursor, **filters)  # type: ignore[arg-type]
            seen += [job.id for job in page.jobs]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == wanted


def test_the_same_idempotency_key_of_two_tenants_makes_two_jobs(jobs: JobStore) -> None:
    ours, _ = submit(jobs.of("ours"), idempotency_key="k", fingerprint="f")
    theirs, is_new = submit(jobs.of("theirs"), idempotency_key="k", fingerprint="other")
    assert is_new
    assert theirs.id != ours.id
    again, is_new = submit(jobs.of("ours"), idempotency_key="k", fingerprint="f")
    assert (again.id, is_new) == (ours.id, False)


def test_the_life_of_a_job_stays_in_the_lists_of_its_tenant(
    jobs: JobStore, client: redis.Redis
) -> None:
    ours = jobs.of("ours")
    job, _ = submit(ours)
    (claimed,) = jobs.claim(worker="w", pid=1, lease=10)
    attempt = claimed.attempt
    assert ours.counts()["running"] == 1
    assert jobs.finish(job.id, attempt, "failed", progress=Progress(), timings={})
    assert [found.id for found in ours.page(state="failed").jobs] == [job.id]
    assert jobs.of("default").counts()["failed"] == 0
    ours.delete(job.id)
    assert ours.page().jobs == []
    # What is left are counts of what ended, and they go by themselves.
    left = client.keys("convq:tenant:*")
    assert [key for key in left if ":history:" not in key] == []
    assert all(client.ttl(key) > 0 for key in left)


def test_a_job_that_another_begins_belongs_to_the_same_tenant(jobs: JobStore) -> None:
    parent, _ = submit(jobs.of("ours"))
    (claimed,) = jobs.claim(worker="w", pid=1, lease=10)
    attempt = claimed.attempt
    child, _ = submit(jobs, begun_by=Place(parent.id, attempt, "child"))
    assert child.tenant == "ours"
    assert jobs.of("ours").get(child.id) == child


def test_a_digest_gives_nothing_to_who_has_not_the_bytes(
    artifacts: ArtifactStore, jobs: JobStore, client: redis.Redis
) -> None:
    ours, theirs = artifacts.of("ours"), artifacts.of("theirs")
    digest = ours.put(b"secret", "text/plain").digest
    for others in (theirs, artifacts):
        for act in (others.get, others.read):
            with pytest.raises(NotFound):
                act(digest)
        assert others.find([digest]) == {}
    for tenant in ("theirs", "default"):
        with pytest.raises(NotFound):
            submit(jobs.of(tenant), artifacts=[digest])
        with pytest.raises(NotFound):
            register(ModelStore(client).of(tenant), digest)
    assert submit(jobs.of("ours"), artifacts=[digest])[1]
    assert register(ModelStore(client).of("ours"), digest)[1]
    assert ours.read(digest) == b"secret"


def register(models: ModelStore, digest: str) -> Any:
    return models.register("m", digest=digest, document="{}", metrics={})


def test_equal_bytes_are_stored_once_and_are_new_to_each_tenant(
    artifacts: ArtifactStore, client: redis.Redis
) -> None:
    found = []
    for tenant in ("ours", "ours", "theirs", "theirs"):
        store = artifacts.of(tenant)
        with store.incoming() as path:
            path.write_bytes(b"x")
            found.append(store.commit(path, digest_of(b"x"), "text/plain"))
    assert [is_new for _, is_new in found] == [True, False, True, False]
    assert len({artifact.key for artifact, _ in found}) == 1
    with pytest.raises(NotFound):
        artifacts.get(digest_of(b"x"))


def test_a_result_belongs_to_the_tenant_of_the_job(
    artifacts: ArtifactStore, jobs: JobStore
) -> None:
    job, _ = submit(jobs.of("ours"))
    (claimed,) = jobs.claim(worker="w", pid=1, lease=10)
    attempt = claimed.attempt
    # Whoever stored the bytes: a job that has them as its result gives them to its tenant.
    digest = artifacts.of("theirs").put(b"result", "text/plain").digest
    assert jobs.finish(
        job.id, attempt, "succeeded", progress=Progress(), timings={}, artifacts=(digest,)
    )
    assert artifacts.of("ours").read(digest) == b"result"
    with pytest.raises(NotFound):
        artifacts.get(digest)


def test_models_have_names_of_their_own_per_tenant(
    artifacts: ArtifactStore, client: redis.Redis
) -> None:
    models = ModelStore(client)
    ours, theirs = models.of("ours"), models.of("theirs")
    digest = artifacts.of("ours").put(b"model", "x/y").digest
    version, _ = register(ours, digest)
    ours.point("m", "best", version.number)
    for others in (theirs, models):
        assert others.models().models == []
        for act in (
            lambda of: of.model("m"),
            lambda of: of.version("m", 1),
            lambda of: of.versions("m"),
            lambda of: of.resolve("m@best"),
            lambda of: of.point("m", "other", 1),
            lambda of: of.unpoint("m", "best"),
            lambda of: of.delete("m", 1),
        ):
            with pytest.raises(NotFound):
                act(others)
    assert ours.resolve("m@best") == ours.version("m", 1)
    other = artifacts.of("theirs").put(b"another", "x/y").digest
    assert register(theirs, other)[0].number == 1
    assert ours.version("m", 1).digest == digest


def test_what_was_stored_before_there_were_tenants_is_the_default_ones(
    artifacts: ArtifactStore, jobs: JobStore, client: redis.Redis
) -> None:
    digest = artifacts.put(b"old", "text/plain").digest
    job, _ = submit(jobs, artifacts=[digest])
    client.hdel(f"convq:artifact:{digest}", "tenant:default")
    client.hdel(f"convq:job:{job.id}", "tenant")
    client.delete("convq:tenants")

    assert jobs.of("default").get(job.id).tenant == "default"
    assert [found.id for found in jobs.page().jobs] == [job.id]
    assert jobs.counts()["queued"] == 1
    assert artifacts.read(digest) == b"old"
    assert submit(jobs, artifacts=[digest])[1]
    with pytest.raises(NotFound):
        artifacts.of("theirs").get(digest)
    with pytest.raises(NotFound):
        submit(jobs.of("theirs"), artifacts=[digest])

    client.hdel(f"convq:artifact:{digest}", "tenant:default")
    artifacts.of("theirs").put(b"old", "text/plain")
    assert artifacts.of("theirs").read(digest) == b"old"
    assert artifacts.read(digest) == b"old"


@pytest.mark.parametrize("name", ["", "a:b", "A", "-a", "a" * 64, "a\n"])
def test_names_that_no_tenant_can_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="tenant"):
        check_tenant(name)
