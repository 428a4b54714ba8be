"""Artifacts: immutable, verified, kept exactly as long as something needs them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import LocalStore

from core.errors import IntegrityError, InvalidInput, NotFound
from core.store import documents
from core.store.artifacts import ArtifactStore, digest_of
from core.store.jobs import JobStore, Progress

BYTES = "application/octet-stream"
UNKNOWN = "sha256:" + "0" * 64


def files(artifacts: ArtifactStore) -> list[Path]:
    assert artifacts._root is not None
    return [path for path in artifacts._root.rglob("*") if path.is_file()]


def test_bytes_come_back_with_what_is_known_of_them(artifacts: ArtifactStore) -> None:
    stored = artifacts.put(b"abc", "application/x-npy", (1, 3), "uint8")
    assert stored.digest == digest_of(b"abc")
    assert artifacts.read(stored.digest) == b"abc"
    assert artifacts.get(stored.digest) == stored
    assert (stored.size, stored.shape, stored.dtype) == (3, (1, 3), "uint8")


def test_the_same_bytes_are_stored_once(artifacts: ArtifactStore) -> None:
    artifacts.put(b"abc", BYTES)
    artifacts.put(b"abc", BYTES)
    assert len(files(artifacts)) == 1


def test_commit_tells_whether_the_bytes_are_new(artifacts: ArtifactStore) -> None:
    for expected in (True, False):
        with artifacts.incoming() as path:
            path.write_bytes(b"abc")
            assert artifacts.commit(path, digest_of(b"abc"), BYTES)[1] is expected
    assert len(files(artifacts)) == 1


def test_an_upload_that_fails_leaves_nothing(artifacts: ArtifactStore) -> None:
    def fail() -> None:
        with artifacts.incoming() as path:
            path.write_bytes(b"half")
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        fail()
    assert files(artifacts) == []


def test_unknown_artifacts_are_named(artifacts: ArtifactStore) -> None:
    known = artifacts.put(b"abc", BYTES)
    with pytest.raises(NotFound, match=UNKNOWN):
        artifacts.get(UNKNOWN)
    with pytest.raises(NotFound, match=r"inputs\.1"):
        artifacts.get_many([known.digest, UNKNOWN])
    for text in ("sha256:zz", "md5:" + "0" * 64, "", "0" * 64, "sha256:" + "A" * 64):
        with pytest.raises(InvalidInput, match="not a digest"):
            artifacts.get(text)


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_damaged_bytes_are_reported_and_never_returned(
    artifacts: ArtifactStore, tmp_path: Path, damage: str
) -> None:
    stored = artifacts.put(b"abcdef", BYTES)
    (path,) = files(artifacts)
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(b"abcdeg" if damage == "flip" else b"abc")
    with pytest.raises(IntegrityError, match="damaged"):
        artifacts.read(stored.digest)
    with pytest.raises(IntegrityError, match="damaged"):
        artifacts.fetch(stored.digest, tmp_path)


def test_an_object_store_works_like_a_folder(client: redis.Redis, tmp_path: Path) -> None:
    # A file:// URL goes the way of every remote store: no local path is assumed.
    (tmp_path / "bucket").mkdir()
    remote = ArtifactStore(f"file://{tmp_path / 'bucket'}", client)
    assert isinstance(remote._store, LocalStore)
    assert remote._root is None
    stored = remote.put(b"abc" * 1000, BYTES)
    assert remote.read(stored.digest) == b"abc" * 1000
    assert remote.fetch(stored.digest, tmp_path).read_bytes() == b"abc" * 1000
    assert remote.sweep_strays(age=0) == 0
    time.sleep(0.01)
    assert remote.sweep(age=0.001) == 1
    assert [p for p in (tmp_path / "bucket").rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_bytes_are_read_here_and_there(client: redis.Redis, tmp_path: Path, scheme: str) -> None:
    artifacts = ArtifactStore(f"{scheme}{tmp_path}", client)
    data = bytes(range(256)) * 10_000
    stored = artifacts.put(data, BYTES)
    with artifacts.open(stored.digest) as file:
        assert file.read(5) == data[:5]
        file.seek(-3, os.SEEK_END)
        assert file.read(10) == data[-3:]
        assert file.read() == b""
        file.seek(1_000_000)
        assert file.read(1_500_000) == data[1_000_000:2_500_000]
        assert file.tell() == 2_500_000
        with pytest.raises(OSError):
            file.seek(-1)
    with pytest.raises(NotFound), artifacts.open(UNKNOWN):
        pass


def test_ranges_are_streamed(artifacts: ArtifactStore) -> None:
    data = os.urandom(3_000_000)
    stored = artifacts.put(data, BYTES)

    async def collect(start: int, end: int) -> bytes:
        return b"".join([chunk async for chunk in artifacts.stream(stored, start, end)])

    for start, end in ((0, len(data)), (5, 17), (2_999_999, 3_000_000), (7, 7)):
        assert asyncio.run(collect(start, end)) == data[start:end]


def test_large_documents_live_beside_the_record(artifacts: ArtifactStore) -> None:
    small, large = {"a": [1, 2]}, {"a": ["x" * 100] * 100}
    assert not documents.is_artifact(documents.write(artifacts, small))
    assert documents.is_artifact(documents.write(artifacts, large))
    for document in (small, large):
        assert documents.read(artifacts, documents.write(artifacts, document)) == document


def test_stray_files_are_swept_and_recorded_ones_kept(artifacts: ArtifactStore) -> None:
    stored = artifacts.put(b"kept", BYTES)
    stray = artifacts._root / stored.key.replace(stored.key[-8:], "deadbeef")  # type: ignore[operator]
    stray.write_bytes(b"kept")
    (artifacts._root / "incoming" / "convq-half").write_bytes(b"half")  # type: ignore[operator]
    assert artifacts.sweep_strays(age=3600) == 0
    time.sleep(0.01)
    assert artifacts.sweep_strays(age=0.001) == 2
    assert artifacts.read(stored.digest) == b"kept"


def test_the_store_says_whether_it_can_be_written(artifacts: ArtifactStore) -> None:
    artifacts.check_writable()
    assert files(artifacts) == []


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40))
def test_the_sweep_never_deletes_what_a_job_refers_to(
    artifacts: ArtifactStore, jobs: JobStore, client: redis.Redis, steps: list[tuple[int, int]]
) -> None:
    """Random interleavings of upload, submit, run, delete and sweep."""
    client.flushall()
    referred: dict[str, set[str]] = {}
    for action, which in steps:
        data = bytes([which])
        digest = digest_of(data)
        if action == 0:
            artifacts.put(data, BYTES)
        elif action == 1:
            try:
                job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[digest])
                referred[job.id] = {digest}
            except NotFound:
                pass
        elif action == 2 and referred:
            for job in jobs.claim(worker="w", pid=1, lease=60):
                artifacts.put(data, BYTES)
                jobs.finish(
                    job.id, job.attempt, "succeeded", progress=Progress(), timings={},
                    artifacts=(digest,),
                )  # fmt: skip
                referred[job.id].add(digest)
        elif action == 3 and referred:
            job_id = max(referred)
            if jobs.get(job_id).state == "queued":
                jobs.cancel(job_id)
            jobs.delete(job_id)
            del referred[job_id]
        else:
            time.sleep(0.002)
            artifacts.sweep(age=0.001)
            artifacts.sweep_strays(age=3600)
        for digests in referred.values():
            for kept in digests:
                assert digest_of(artifacts.read(kept)) == kept
    for job_id in referred:
        if jobs.get(job_id).state == "queued":
            jobs.cancel(job_id)
        jobs.delete(job_id)
    time.sleep(0.002)
    # Whatever is referred to is only looked at again after its age, so two rounds empty the store.
    for _ in range(2):
        artifacts.sweep(age=0.001)
        time.sleep(0.002)
    assert files(artifacts) == []
