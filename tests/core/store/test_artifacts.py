"""Artifacts: immutable, verified, kept exactly as long as something needs them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
import redis
from obstore.store import LocalStore

from core.errors import IntegrityError, InvalidInput, NotFound
from core.store import documents
from core.store.artifacts import Artifact, ArtifactStore, damaged, digest_of
from core.store.files import Files
from core.store.garbage import Garbage
from core.store.jobs import JobStore

BYTES = "application/octet-stream"
UNKNOWN = "sha256:" + "0" * 64


def files(artifacts: ArtifactStore) -> list[Path]:
    assert artifacts.files.root is not None
    return [path for path in artifacts.files.root.rglob("*") if path.is_file()]


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
    assert artifacts.find([known.digest, UNKNOWN]) == {known.digest: artifacts.get(known.digest)}
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


def test_damage_is_noted_until_the_bytes_are_uploaded_again(
    artifacts: ArtifactStore, client: redis.Redis, tmp_path: Path
) -> None:
    stored = artifacts.put(b"abcdef", BYTES)
    (path,) = files(artifacts)
    assert damaged(client) == 0
    path.write_bytes(b"abcdeg")
    for read in (artifacts.read, lambda digest: artifacts.fetch(digest, tmp_path)):
        with pytest.raises(IntegrityError):
            read(stored.digest)
    assert damaged(client) == 1
    with artifacts.incoming() as incoming:
        incoming.write_bytes(b"abcdef")
        again, is_new = artifacts.commit(incoming, stored.digest, BYTES)
    assert is_new
    assert again.key != stored.key
    assert artifacts.read(stored.digest) == b"abcdef"
    assert damaged(client) == 0
    assert len(files(artifacts)) == 1
    # Who still has the record of before learns that it is not true any more, and nothing is noted.
    with pytest.raises(NotFound, match="any more"):
        asyncio.run(anext(artifacts.stream(stored, 0, 3)))
    assert damaged(client) == 0


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_file_is_verified_once_as_long_as_it_stays_as_it_is(
    client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    async def part() -> bytes:
        return b"".join([chunk async for chunk in other.stream(stored, 1, 3)])

    stored = ArtifactStore(f"{scheme}{tmp_path}", client).put(b"abcdef", BYTES)
    # Another process, which has not seen how the bytes came.
    other = ArtifactStore(f"{scheme}{tmp_path}", client)
    path = tmp_path / stored.key
    verified = []
    sha256 = Files._sha256
    monkeypatch.setattr(
        Files, "_sha256", lambda files, key: verified.append(key) or sha256(files, key)
    )
    # What the record says of a file tells that nobody has changed it since it was stored.
    by_record = 0 if scheme else 1
    for _ in range(3):
        assert asyncio.run(part()) == b"bc"
    assert len(verified) == 1 - by_record
    # The same bytes once more, but who knows?
    os.utime(path, ns=(0, 0))
    for _ in range(3):
        assert asyncio.run(part()) == b"bc"
    assert len(verified) == 2 - by_record
    monkeypatch.setattr("core.store.files._TRUSTED_SECONDS", 0.0)
    assert asyncio.run(part()) == b"bc"
    assert len(verified) == 3 - by_record
    path.write_bytes(b"abcdeg")
    with pytest.raises(IntegrityError):
        asyncio.run(part())


def test_a_local_file_is_verified_before_a_look_at_it(artifacts: ArtifactStore) -> None:
    stored = artifacts.put(b"abcdef", BYTES)
    files(artifacts)[0].write_bytes(b"abcdeg")
    with pytest.raises(IntegrityError), artifacts.open(stored.digest):
        pass


def test_an_object_store_works_like_a_folder(client: redis.Redis, tmp_path: Path) -> None:
    # A file:// URL goes the way of every remote store: no local path is assumed.
    (tmp_path / "bucket").mkdir()
    remote = ArtifactStore(f"file://{tmp_path / 'bucket'}", client)
    assert isinstance(remote.files._store, LocalStore)
    assert remote.files.root is None
    stored = remote.put(b"abc" * 1000, BYTES)
    assert remote.read(stored.digest) == b"abc" * 1000
    assert remote.fetch(stored.digest, tmp_path).read_bytes() == b"abc" * 1000
    garbage = Garbage(remote, client)
    assert garbage.collect(age=0, dry_run=True).strays == 0
    time.sleep(0.01)
    assert garbage.sweep(age=0.001) == 1
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


def test_the_store_says_whether_it_can_be_written(artifacts: ArtifactStore) -> None:
    artifacts.check_writable()
    assert files(artifacts) == []


@pytest.fixture
def packed(artifacts: ArtifactStore, jobs: JobStore) -> list[Artifact]:
    """Three artifacts in one file."""
    contents = (b"first", b"second", b"third")
    small = [(Artifact(digest_of(it), len(it), BYTES), it) for it in contents]
    stored = [artifacts.request(artifact) for artifact in artifacts.place_together(small)]
    assert jobs.finish_many([], stored).unnamed == []
    assert len(files(artifacts)) == 1
    return [artifacts.get(artifact.digest) for artifact, _ in small]


def test_artifacts_in_one_file_are_read_like_others(
    artifacts: ArtifactStore, packed: list[Artifact], tmp_path: Path
) -> None:
    second = packed[1]
    assert second.size == 6

    async def streamed() -> bytes:
        return b"".join([piece async for piece in artifacts.stream(second, 1, 4)])

    assert asyncio.run(streamed()) == b"eco"
    with artifacts.open(second.digest) as file:
        file.seek(2)
        assert file.read() == b"cond"
    assert artifacts.read(second.digest) == b"second"
    assert artifacts.content(second, tmp_path) == b"second"
    assert artifacts.fetch(second.digest, tmp_path).read_bytes() == b"second"
    (tmp_path / second.digest.removeprefix("sha256:")).unlink()


def test_damage_to_a_part_of_a_file_is_that_of_one_artifact(
    artifacts: ArtifactStore, packed: list[Artifact], client: redis.Redis
) -> None:
    (pack,) = files(artifacts)
    pack.write_bytes(b"firstsecxnd")
    assert artifacts.read(packed[0].digest) == b"first"
    for lost in packed[1:]:
        with pytest.raises(IntegrityError, match="damaged"):
            artifacts.read(lost.digest)
        with pytest.raises(IntegrityError, match="damaged"), artifacts.open(lost.digest):
            pass
    assert damaged(client) == 2
    for data in (b"second", b"third"):
        assert artifacts.put(data, BYTES).size == len(data)
        assert artifacts.read(digest_of(data)) == data
    assert damaged(client) == 0
    assert pack in files(artifacts)
