"""A disk that fails at any point leaves nothing behind that nobody knows of."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv.device import cpu
from core.errors import Cancelled, NotFound, StorageFull
from core.jobs.run import Run
from core.store.artifacts import ArtifactStore, digest_of

BYTES = "application/octet-stream"


def files(artifacts: ArtifactStore) -> list[Path]:
    root = artifacts.files.root
    assert root is not None
    return [path for path in root.rglob("*") if path.is_file()]


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Let no file grow beyond ``limit`` bytes: the kernel refuses the write that would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def failing(name: str, after: int, code: int) -> Iterator[None]:
    """Let one call of a function of the operating system fail: the one after ``after`` others."""
    calls = 0
    owner, attribute = {
        "fsync": (os, "fsync"),
        "replace": (Path, "replace"),
        "mkdir": (Path, "mkdir"),
    }[name]
    real: Callable[..., Any] = getattr(owner, attribute)

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, attribute, call)
        yield


def put(artifacts: ArtifactStore, data: bytes, scratch: Path) -> None:
    artifacts.put(data, BYTES)


def commit(artifacts: ArtifactStore, data: bytes, scratch: Path) -> None:
    with artifacts.incoming() as path:
        path.write_bytes(data)
        artifacts.commit(path, digest_of(data), BYTES)


def deliver(artifacts: ArtifactStore, data: bytes, scratch: Path) -> None:
    run = Run(artifacts=artifacts, device=cpu(), memory_cap=1 << 20, scratch=scratch, total=1)
    run.deliver("x", source=None, media_type=BYTES, write=lambda path: _write(path, data))


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        for start in range(0, len(data), 4096):
            file.write(data[start : start + 4096])


WAYS = st.sampled_from([put, commit, deliver])


def check(artifacts: ArtifactStore, data: bytes, way: Any, scratch: Path, fault: Any) -> None:
    """Store ``data`` with a fault: it is there wholly, or not at all, and later all is well."""
    digest = digest_of(data)
    try:
        with fault:
            way(artifacts, data, scratch)
    except StorageFull:
        with pytest.raises(NotFound):
            artifacts.get(digest)
        assert files(artifacts) == []
    else:
        assert artifacts.read(digest) == data
    way(artifacts, data, scratch)
    assert artifacts.read(digest) == data
    assert len(files(artifacts)) == 1


@pytest.fixture
def emptied(artifacts: ArtifactStore, client: redis.Redis) -> Callable[[], None]:
    def empty() -> None:
        client.flushall()
        for path in files(artifacts):
            path.unlink()

    return empty


QUIET = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@QUIET
@given(size=st.integers(1, 40_000), limit=st.integers(0, 40_000), way=WAYS)
def test_a_file_that_cannot_grow(
    artifacts: ArtifactStore, emptied: Any, tmp_path: Path, size: int, limit: int, way: Any
) -> None:
    emptied()
    check(artifacts, os.urandom(size), way, tmp_path, largest_file(limit))


@QUIET
@given(
    name=st.sampled_from(["fsync", "replace", "mkdir"]),
    after=st.integers(0, 2),
    code=st.sampled_from([errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO]),
    way=WAYS,
)
def test_a_step_that_fails(
    artifacts: ArtifactStore,
    emptied: Any,
    tmp_path: Path,
    name: str,
    after: int,
    code: int,
    way: Any,
) -> None:
    emptied()
    check(artifacts, b"some bytes", way, tmp_path, failing(name, after, code))


def test_other_errors_stay_what_they_are(artifacts: ArtifactStore) -> None:
    with pytest.raises(PermissionError), failing("replace", 0, errno.EACCES):
        put(artifacts, b"data", Path())
    assert files(artifacts) == []


def test_a_disk_that_turns_read_only_is_called_full_though_nothing_can_be_removed(
    artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def store() -> None:
        with artifacts.incoming():
            refuse()

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", refuse)
        with pytest.raises(StorageFull):
            store()


@pytest.mark.parametrize("stopped", [None, "cancel"])
def test_work_that_is_done_waits_for_room(
    artifacts: ArtifactStore, tmp_path: Path, stopped: str | None
) -> None:
    run = Run(
        artifacts=artifacts,
        device=cpu(),
        memory_cap=1 << 20,
        scratch=tmp_path,
        total=1,
        patience=60,
    )
    tries = 0

    def write(path: Path) -> None:
        nonlocal tries
        tries += 1
        if stopped:
            run.ask_to_stop(stopped)
        if tries < 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(b"done")

    if stopped:
        with pytest.raises(Cancelled):
            run.deliver("x", source=None, media_type=BYTES, write=write)
    else:
        stored = run.deliver("x", source=None, media_type=BYTES, write=write)
        assert artifacts.read(stored.digest) == b"done"
