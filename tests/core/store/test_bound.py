"""Artifacts that consist of others keep them, and let them go with themselves."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from core.errors import NotFound
from core.store.artifacts import ArtifactStore, digest_of
from core.store.garbage import Garbage
from core.store.jobs import JobStore

BYTES = "application/octet-stream"


def grow_old(client: redis.Redis) -> None:
    found: Any = client.zrange("convq:artifacts", 0, -1, withscores=True)
    client.zadd("convq:artifacts", {digest: used - 10_000_000 for digest, used in found})


def test_parts_stay_as_long_as_the_whole_is_needed(
    client: redis.Redis, artifacts: ArtifactStore, jobs: JobStore
) -> None:
    parts = [artifacts.put(bytes([n]), BYTES).digest for n in range(3)]
    shared = artifacts.put(b"shared", BYTES).digest
    wholes = [artifacts.put(name, BYTES).digest for name in (b"one", b"two")]
    artifacts.bind(wholes[0], [*parts, shared])
    artifacts.bind(wholes[0], [*parts, shared])  # the same again changes nothing
    artifacts.bind(wholes[1], [shared])
    jobs.submit(kind="convolve", spec="{}", artifacts=[wholes[0]])
    garbage = Garbage(artifacts, client)
    grow_old(client)
    found = garbage.collect(5.0, dry_run=True)
    assert (found.artifacts, found.referred, found.miscounted) == (1, 5, ())
    assert garbage.sweep(5.0) == 1  # the whole that no job refers to
    for digest in (*parts, shared, wholes[0]):
        artifacts.get(digest)
    (job,) = jobs.page().jobs
    jobs.cancel(job.id)
    jobs.delete(job.id)
    for _ in range(2):  # the whole, then its parts
        grow_old(client)
        garbage.collect(5.0)
    assert client.keys("convq:artifact:*") == []
    assert not client.exists("convq:bound")


def test_nobody_binds_what_is_not_his(client: redis.Redis, artifacts: ArtifactStore) -> None:
    whole = artifacts.put(b"whole", BYTES).digest
    foreign = artifacts.of("lab").put(b"foreign", BYTES).digest
    for missing in (foreign, digest_of(b"nowhere")):
        with pytest.raises(NotFound) as caught:
            artifacts.bind(whole, [missing])
        assert caught.value.given == missing
    grow_old(client)
    assert Garbage(artifacts, client).sweep(5.0) == 2
