"""Artifacts in an S3-compatible object store: a real server, spoken to as any other."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
import redis

from bench.s3 import S3Server
from core.conv.device import cpu
from core.errors import IntegrityError, StoreAway, Unavailable
from core.jobs.run import Run
from core.store.artifacts import Artifact, ArtifactStore, digest_of
from core.store.garbage import Garbage
from core.store.jobs import JobStore

pytestmark = pytest.mark.stack
BYTES = "application/octet-stream"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    found = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        found.start()
    except Unavailable as error:
        pytest.skip(str(error))
    yield found
    found.stop()


@pytest.fixture
def s3_url(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server.url


def test_artifacts_live_in_s3(s3_url: str, client: redis.Redis, tmp_path: Path) -> None:
    artifacts = ArtifactStore(s3_url, client)
    artifacts.check_writable()
    data = os.urandom(12_000_000)  # more than one part of a multipart upload
    stored = artifacts.put(data, BYTES)
    assert artifacts.put(data, BYTES) == stored
    assert artifacts.read(stored.digest) == data
    assert artifacts.fetch(stored.digest, tmp_path).read_bytes() == data

    with artifacts.open(stored.digest) as file:
        file.seek(-7, os.SEEK_END)
        assert (file.read(), file.read()) == (data[-7:], b"")
        file.seek(3_000_000)
        assert file.read(2_000_000) == data[3_000_000:5_000_000]
        assert file.tell() == 5_000_000

    async def part() -> bytes:
        return b"".join([chunk async for chunk in artifacts.stream(stored, 5, 4_000_000)])

    assert asyncio.run(part()) == data[5:4_000_000]
    time.sleep(0.01)
    garbage = Garbage(artifacts, client)
    assert garbage.collect(age=0, dry_run=True).strays == 0
    assert garbage.sweep(age=0.001) == 1
    with pytest.raises(LookupError):
        artifacts.get(stored.digest)


def test_artifacts_in_one_object_are_read_and_deleted_like_others(
    s3_url: str, client: redis.Redis, tmp_path: Path
) -> None:
    artifacts = ArtifactStore(s3_url, client)
    contents = (b"first", b"second")
    small = [(Artifact(digest_of(it), len(it), BYTES), it) for it in contents]
    placed = artifacts.place_together(small)
    JobStore(client).finish_many([], [artifacts.request(artifact) for artifact in placed])
    second = artifacts.get(digest_of(b"second"))
    assert artifacts.read(second.digest) == b"second"
    assert artifacts.fetch(second.digest, tmp_path).read_bytes() == b"second"
    with artifacts.open(second.digest) as file:
        assert file.read() == b"second"

    async def part() -> bytes:
        return b"".join([chunk async for chunk in artifacts.stream(second, 1, 4)])

    assert asyncio.run(part()) == b"eco"
    time.sleep(0.01)
    assert Garbage(artifacts, client).sweep(age=0.001) == 2
    assert not artifacts.files.exists(second.key)


def test_damaged_bytes_are_not_given_away(s3_url: str, client: redis.Redis, tmp_path: Path) -> None:
    artifacts = ArtifactStore(s3_url, client)
    stored = artifacts.put(b"right", BYTES)
    other = tmp_path / "other"
    other.write_bytes(b"wrong")
    artifacts.files.place(other, stored.key, "0" * 64)
    for read in (artifacts.read, lambda digest: artifacts.fetch(digest, tmp_path)):
        with pytest.raises(IntegrityError):
            read(stored.digest)
    with pytest.raises(IntegrityError):
        asyncio.run(anext(artifacts.stream(stored, 0, 5)))
    assert artifacts.read(artifacts.put(b"right", BYTES).digest) == b"right"


def test_a_store_that_is_away_says_so_soon_and_is_waited_for(
    s3_url: str, server: S3Server, client: redis.Redis, tmp_path: Path
) -> None:
    artifacts = ArtifactStore(s3_url, client)
    stored = artifacts.put(b"here", BYTES)
    server.stop()
    for call in (
        artifacts.check_writable,
        lambda: artifacts.read(stored.digest),
        lambda: artifacts.fetch(stored.digest, tmp_path),
        lambda: artifacts.put(b"more", BYTES),
        lambda: list(artifacts.files.listed()),
        lambda: asyncio.run(anext(artifacts.stream(stored, 0, 4))),
    ):
        begun = time.monotonic()
        with pytest.raises(StoreAway):
            call()
        assert time.monotonic() - begun < 10

    run = Run(artifacts=artifacts, device=cpu(), memory_cap=1 << 20, scratch=tmp_path, total=1)
    run.wait_for_store()  # has no patience
    patient = Run(
        artifacts=artifacts,
        device=cpu(),
        memory_cap=1 << 20,
        scratch=tmp_path,
        total=1,
        patience=60,
    )
    again = Timer(0.5, server.start)
    again.start()
    result = patient.deliver(
        "r", source=None, media_type=BYTES, write=lambda path: path.write_bytes(b"done")
    )
    again.join()
    assert artifacts.read(result.digest) == b"done"
