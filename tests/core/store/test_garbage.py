"""What is needed stays whatever happens meanwhile, and what nobody needs goes."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from core.errors import Conflict, NotFound
from core.store.artifacts import Artifact, ArtifactStore, digest_of
from core.store.garbage import Collected, Garbage
from core.store.jobs import End, JobStore, Progress
from core.store.models import ModelStore

BYTES = "application/octet-stream"
AGE = 5.0
TENANTS = st.sampled_from(["default", "lab"])
# Few, so that jobs, checkpoints and models meet in them.
CONTENTS = st.sampled_from([b"a", b"b", b"c", b"d"])


def grow_old(client: redis.Redis) -> None:
    """Let everything be used twice as long ago as a sweep asks for."""
    for digest, used in client.zrange("convq:artifacts", 0, -1, withscores=True):
        client.zadd("convq:artifacts", {digest: used - 2000 * AGE})


def together(artifacts: ArtifactStore, contents: set[bytes]) -> list[str]:
    """Write contents into one file; return what is to be recorded of them."""
    if not contents:
        return []
    small = [(Artifact(digest_of(it), len(it), BYTES), it) for it in sorted(contents)]
    return [artifacts.request(artifact) for artifact in artifacts.place_together(small)]


def files(artifacts: ArtifactStore) -> list[Path]:
    root = artifacts.files.root
    assert root is not None
    return [path for path in root.rglob("*") if path.is_file()]


class Busy(Garbage):
    """A collector in a world that goes on between its mark and its sweep."""

    def __init__(self, *arguments: Any, meanwhile: Callable[[], None]) -> None:
        super().__init__(*arguments)
        self._meanwhile = meanwhile

    def mark(self) -> Counter[str]:
        marked = super().mark()
        self._meanwhile()
        return marked


class World(RuleBasedStateMachine):
    """Uploads, jobs and models of two tenants, and a collector that interrupts them anywhere."""

    client: redis.Redis

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.folder = tempfile.TemporaryDirectory()
        self.artifacts = ArtifactStore(self.folder.name, self.client)
        self.jobs = JobStore(self.client)
        self.models = ModelStore(self.client)
        self.referred: dict[str, set[bytes]] = {}
        self.tenant: dict[str, str] = {}
        self.checkpoints: dict[str, bytes] = {}
        self.versions: dict[tuple[str, int], bytes] = {}

    def teardown(self) -> None:
        for job_id in list(self.referred):
            if self.jobs.get(job_id).state == "running":
                self._end(job_id, "failed", set())
            elif self.jobs.get(job_id).state == "queued":
                self.jobs.cancel(job_id)
            self.delete(job_id)
        for tenant, number in list(self.versions):
            self.models.of(tenant).delete("model", number)
        grow_old(self.client)
        Garbage(self.artifacts, self.client).sweep(AGE)
        assert files(self.artifacts) == []
        assert self.client.zcard("convq:artifacts") == 0
        self.folder.cleanup()

    @rule(content=CONTENTS, tenant=TENANTS)
    def upload(self, content: bytes, tenant: str) -> None:
        self.artifacts.of(tenant).put(content, BYTES)

    @rule(contents=st.sets(CONTENTS, max_size=3), tenant=TENANTS)
    def submit(self, contents: set[bytes], tenant: str) -> None:
        with suppress(NotFound):
            job, _ = self.jobs.of(tenant).submit(
                kind="convolve",
                spec="{}",
                artifacts=[digest_of(content) for content in sorted(contents)],
            )
            self.referred[job.id] = set(contents)
            self.tenant[job.id] = tenant

    @rule(content=CONTENTS)
    def checkpoint(self, content: bytes) -> None:
        job_id = self._one("running") or self._claimed()
        if job_id:
            self.artifacts.of(self.tenant[job_id]).put(content, BYTES)
            attempt = self.jobs.get(job_id).attempt
            assert self.jobs.checkpoint(job_id, attempt, digest_of(content)) == "kept"
            self.checkpoints[job_id] = content

    @rule(
        contents=st.sets(CONTENTS, max_size=2),
        others=st.none() | st.sets(CONTENTS, max_size=2),
        state=st.sampled_from(["succeeded", "failed", "cancelled"]),
    )
    def finish(self, contents: set[bytes], others: set[bytes] | None, state: Any) -> None:
        """End a job; in one file with the results of others, unless there are none."""
        job_id = self._one("running") or self._claimed()
        if job_id:
            store = self.artifacts.of(self.tenant[job_id])
            if others is None:
                for content in contents:
                    store.put(content, BYTES)
                self._end(job_id, state, contents)
            else:
                self._end(job_id, state, contents, together(store, contents | others))

    @rule()
    def retry(self) -> None:
        if job_id := self._one("failed") or self._one("cancelled"):
            self.jobs.retry(job_id)

    @rule()
    def cancel(self) -> None:
        if job_id := self._one("queued"):
            self.jobs.cancel(job_id)

    @rule(state=st.sampled_from(["succeeded", "failed", "cancelled", "running"]))
    def delete_one(self, state: str) -> None:
        if job_id := self._one(state):
            with suppress(Conflict):
                self.delete(job_id)

    @rule(content=CONTENTS, tenant=TENANTS)
    def register(self, content: bytes, tenant: str) -> None:
        with suppress(NotFound):
            version, _ = self.models.of(tenant).register(
                "model", digest=digest_of(content), document="{}", metrics={}
            )
            self.versions[tenant, version.number] = content

    @rule()
    def delete_version(self) -> None:
        if self.versions:
            tenant, number = min(self.versions)
            self.models.of(tenant).delete("model", number)
            del self.versions[tenant, number]

    @rule()
    def wait(self) -> None:
        grow_old(self.client)

    @rule()
    def sweep(self) -> None:
        Garbage(self.artifacts, self.client).sweep(AGE)

    @rule(data=st.data(), whole=st.booleans())
    def sweep_while_the_world_goes_on(self, data: Any, whole: bool) -> None:
        actions: list[Callable[[], None]] = [
            lambda: self.upload(data.draw(CONTENTS), data.draw(TENANTS)),
            lambda: self.submit(data.draw(st.sets(CONTENTS, max_size=3)), data.draw(TENANTS)),
            lambda: self.checkpoint(data.draw(CONTENTS)),
            lambda: self.finish(data.draw(st.sets(CONTENTS, max_size=2)), None, "succeeded"),
            lambda: self.finish(data.draw(st.sets(CONTENTS, max_size=2)), {b"d"}, "succeeded"),
            lambda: self.register(data.draw(CONTENTS), data.draw(TENANTS)),
            lambda: self.delete_one("succeeded"),
            self.delete_version,
        ]

        def meanwhile() -> None:
            for act in data.draw(st.lists(st.sampled_from(actions), max_size=3)):
                act()

        garbage = Busy(self.artifacts, self.client, meanwhile=meanwhile)
        if whole:
            garbage.collect(AGE)
        else:
            garbage.sweep(AGE)

    @invariant()
    def whatever_is_referred_to_is_there(self) -> None:
        for job_id, contents in self.referred.items():
            for content in contents:
                held = self.artifacts.of(self.tenant[job_id])
                assert held.read(digest_of(content)) == content
        for job_id, content in self.checkpoints.items():
            assert self.artifacts.of(self.tenant[job_id]).read(digest_of(content)) == content
        for (tenant, _), content in self.versions.items():
            assert self.artifacts.of(tenant).read(digest_of(content)) == content

    def delete(self, job_id: str) -> None:
        self.jobs.delete(job_id)
        del self.referred[job_id]
        self.checkpoints.pop(job_id, None)

    def _claimed(self) -> str | None:
        claimed = self.jobs.claim(worker="w", pid=1, lease=600)
        return claimed[0].id if claimed else None

    def _one(self, state: str) -> str | None:
        found = [i for i in self.referred if self.jobs.get(i).state == state]
        return min(found, default=None)

    def _end(
        self, job_id: str, state: Any, contents: set[bytes], stored: Sequence[str] = ()
    ) -> None:
        attempt = self.jobs.get(job_id).attempt
        made = tuple(digest_of(content) for content in sorted(contents))
        end = End(job_id, attempt, state, Progress(), {}, artifacts=made)
        (done,), unnamed = self.jobs.finish_many([end], stored)
        assert done
        for file in unnamed:
            self.artifacts.files.delete(file)
        self.referred[job_id] |= contents
        if state == "succeeded":
            self.checkpoints.pop(job_id, None)


def test_no_interleaving_deletes_what_is_referred_to(client: redis.Redis) -> None:
    machine = type("WorldHere", (World,), {"client": client})
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(max_examples=40, stateful_step_count=30),
    )


def test_a_record_that_refers_saves_what_its_count_would_lose(
    artifacts: ArtifactStore, jobs: JobStore, garbage: Garbage, client: redis.Redis
) -> None:
    kept = artifacts.put(b"kept", BYTES).digest
    jobs.submit(kind="convolve", spec="{}", artifacts=[kept])
    client.hset(f"convq:artifact:{kept}", "refs", 0)
    grow_old(client)
    assert garbage.collect(AGE).miscounted == (kept,)
    assert garbage.sweep(AGE) == 0
    assert artifacts.read(kept) == b"kept"


def test_a_count_that_no_record_explains_is_told_and_kept(
    artifacts: ArtifactStore, garbage: Garbage, client: redis.Redis
) -> None:
    digest = artifacts.put(b"counted", BYTES).digest
    client.hset(f"convq:artifact:{digest}", "refs", 3)
    grow_old(client)
    found = garbage.collect(AGE)
    assert (found.artifacts, found.miscounted) == (0, (digest,))
    assert artifacts.read(digest) == b"counted"


def make_old(path: Path) -> None:
    os.utime(path, (time.time() - 2 * AGE,) * 2)


def test_stray_files_go_and_those_that_are_written_stay(
    artifacts: ArtifactStore, garbage: Garbage
) -> None:
    stored = artifacts.put(b"kept", BYTES)
    root = artifacts.files.root
    assert root is not None
    stray = root / stored.key.replace(stored.key[-8:], "deadbeef")
    stray.write_bytes(b"kept")
    half, writing = root / "incoming" / "convq-half", root / "incoming" / "convq-now"
    for path in (half, writing):
        path.write_bytes(b"half")
    for path in (stray, half, root / stored.key):
        make_old(path)
    assert garbage.collect(AGE).strays == 2
    assert sorted(files(artifacts)) == sorted([root / stored.key, writing])
    assert artifacts.read(stored.digest) == b"kept"


def test_a_dry_run_says_what_would_go_and_lets_it_stay(
    artifacts: ArtifactStore, jobs: JobStore, garbage: Garbage, client: redis.Redis
) -> None:
    referred, unused, lost = (artifacts.put(data, BYTES) for data in (b"one", b"three", b"lost"))
    jobs.submit(kind="convolve", spec="{}", artifacts=[referred.digest, lost.digest])
    root = artifacts.files.root
    assert root is not None
    (root / lost.key).unlink()
    stray = root / "incoming" / "convq-stray"
    stray.write_bytes(b"seven..")
    make_old(stray)
    assert garbage.collect(AGE).artifacts == 0
    stray.write_bytes(b"seven..")
    make_old(stray)
    grow_old(client)
    expected = Collected(3, 2, 1, 1, 12, (lost.digest,), ())
    before = files(artifacts)
    assert garbage.collect(AGE, dry_run=True) == expected
    assert files(artifacts) == before
    assert garbage.collect(AGE) == expected
    assert files(artifacts) == [root / referred.key]
    with pytest.raises(NotFound):
        artifacts.get(unused.digest)


def test_the_records_of_another_service_delete_nothing(
    artifacts: ArtifactStore, garbage: Garbage, client: redis.Redis
) -> None:
    artifacts.put(b"of this one", BYTES)
    for path in files(artifacts):
        make_old(path)
    client.flushall()
    for dry_run in (True, False):
        with pytest.raises(Conflict, match="no file of this store"):
            garbage.collect(AGE, dry_run=dry_run)
    assert len(files(artifacts)) == 1


def test_a_lost_file_is_replaced_by_the_next_upload(
    artifacts: ArtifactStore, garbage: Garbage
) -> None:
    stored = artifacts.put(b"again", BYTES)
    (path,) = files(artifacts)
    path.unlink()
    assert garbage.collect(AGE).missing == (stored.digest,)
    artifacts.put(b"again", BYTES)
    assert artifacts.read(stored.digest) == b"again"
    assert garbage.collect(AGE).missing == ()


def test_a_pack_stays_as_long_as_anything_in_it_is_needed(
    artifacts: ArtifactStore, jobs: JobStore, garbage: Garbage, client: redis.Redis
) -> None:
    contents = {b"first", b"second"}
    stored = together(artifacts, contents)
    jobs.finish_many([], stored)
    assert jobs.finish_many([], stored).unnamed == []  # as after an answer that was lost
    (pack,) = files(artifacts)
    needed = digest_of(b"second")
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[needed])
    grow_old(client)
    assert garbage.sweep(AGE) == 1
    assert artifacts.read(needed) == b"second"
    with pytest.raises(NotFound):
        artifacts.get(digest_of(b"first"))
    # Its bytes come again, into another pack.
    jobs.finish_many([], together(artifacts, contents))
    assert artifacts.read(digest_of(b"first")) == b"first"
    assert len(files(artifacts)) == 2
    jobs.cancel(job.id)
    jobs.delete(job.id)
    grow_old(client)
    found = garbage.collect(AGE, dry_run=True)
    assert (found.artifacts, found.freed) == (2, 2 * pack.stat().st_size)
    assert garbage.collect(AGE).artifacts == 2
    assert files(artifacts) == []


def test_a_pack_of_what_was_stored_before_and_one_without_a_record_go(
    artifacts: ArtifactStore, jobs: JobStore, garbage: Garbage
) -> None:
    jobs.finish_many([], together(artifacts, {b"kept"}))
    (kept,) = files(artifacts)
    (again,) = jobs.finish_many([], together(artifacts, {b"kept"})).unnamed
    artifacts.files.delete(again)
    together(artifacts, {b"lost in a crash"})
    for path in files(artifacts):
        os.utime(path, (0, 0))
    assert garbage.collect(AGE).strays == 1
    assert files(artifacts) == [kept]
