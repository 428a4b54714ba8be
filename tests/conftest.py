"""Fixtures that many tests share: one real Redis, and an empty database in it for each test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import settings as hypothesis_settings

from convq.stack.redis_server import RedisServer
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.connection import connect
from core.store.garbage import Garbage
from core.store.jobs import JobStore
from workers import gpus

# A shell starts its background commands with SIGINT ignored, and children inherit that; tests that
# press Ctrl-C would wait forever.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Consoles take their width from it when they are made, and tests say themselves how wide theirs is.
os.environ.pop("COLUMNS", None)

# How long an example takes says more of the machine than of the code.
hypothesis_settings.register_profile("convq", hypothesis_settings(), deadline=None)
hypothesis_settings.load_profile("convq")

_MEMORY = Path("/dev/shm")
_ROOM = 8 << 30
_folder = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Let tests write to memory where there is room: all is synced, which takes a disk long."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    about = os.statvfs(_MEMORY)
    if about.f_flag & os.ST_NOEXEC or about.f_bavail * about.f_frsize < _ROOM:
        return
    folder = Path(tempfile.mkdtemp(prefix="convq-tests-", dir=_MEMORY))
    config.stash[_folder] = folder
    # Of this process and of those that it starts.
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Give the memory back."""
    if folder := config.stash.get(_folder, None):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def real_cupy() -> Any:
    """Return CuPy, where there is a device."""
    module = pytest.importorskip("cupy")
    if not module.is_available():
        pytest.skip("there is no CUDA device")
    return module


@pytest.fixture
def machine_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Give the machine stand-ins for GPUs, described in a folder: ``workers/stand_in``."""
    folder = tmp_path / "gpus"
    folder.mkdir()
    monkeypatch.syspath_prepend(Path(__file__).parent / "workers" / "stand_in")
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("STAND_IN_GPUS", str(folder))

    def have(*there: dict[str, Any]) -> Path:
        (folder / "gpus.json").write_text(json.dumps(there))
        return folder

    gpus._library.cache_clear()
    yield have
    gpus._library.cache_clear()
    sys.modules.pop("pynvml", None)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def settings(redis_server: RedisServer, tmp_path: Path) -> Settings:
    return Settings(redis_url=redis_server.url, store_url=str(tmp_path / "artifacts"))


@pytest.fixture
def client(settings: Settings) -> Iterator[redis.Redis]:
    with connect(settings) as client:
        client.flushall()
        yield client


@pytest.fixture
def jobs(client: redis.Redis) -> JobStore:
    return JobStore(client)


@pytest.fixture
def artifacts(client: redis.Redis, settings: Settings) -> ArtifactStore:
    return ArtifactStore(settings.store_url, client)


@pytest.fixture
def garbage(artifacts: ArtifactStore, client: redis.Redis) -> Garbage:
    return Garbage(artifacts, client)
