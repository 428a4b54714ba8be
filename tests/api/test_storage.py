"""How much is stored, and what would be deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage

Submit = Callable[..., dict[str, Any]]


def forget_files(settings: Settings) -> None:
    for file in (Path(settings.store_url) / "sha256").rglob("*"):
        if file.is_file():
            file.unlink()


@pytest.fixture
def empty(settings: Settings, client: redis.Redis) -> None:
    """Delete the files of other tests: their records are gone."""
    forget_files(settings)


def test_stored_bytes_are_counted_once_and_for_each_who_holds_them(
    keyed: httpx.Client, key: Callable[..., dict[str, str]]
) -> None:
    for tenant in ("one", "two"):
        keyed.post("/v1/artifacts", content=b"x" * 100, headers=key("submit", tenant=tenant))
    keyed.post("/v1/artifacts", content=b"y" * 11, headers=key("submit", tenant="two"))
    told = keyed.get("/v1/storage", headers=key("admin")).json()
    assert (told["stored"], told["tenants"]) == (111, {"one": 100, "two": 111})


@pytest.mark.usefixtures("empty")
def test_what_would_be_deleted_is_what_is_deleted(
    http: httpx.Client, submit: Submit, settings: Settings, client: redis.Redis
) -> None:
    submit()
    unused = http.post("/v1/artifacts", content=b"nobody needs this").json()
    told = http.get("/v1/storage/garbage").json()
    assert (told["artifacts"], told["freed"]) == (0, 0)
    client.zadd("convq:artifacts", {unused["digest"]: 0})  # as if it had come long ago
    told = http.get("/v1/storage/garbage").json()
    assert (told["artifacts"], told["freed"]) == (1, unused["size"])
    assert http.get(f"/v1/artifacts/{unused['digest']}").status_code == 200
    client.zadd("convq:artifacts", {unused["digest"]: 0})  # it was used just now
    found = Garbage(ArtifactStore(settings.store_url, client), client).collect(settings.retention)
    assert (found.artifacts, found.freed) == (told["artifacts"], told["freed"])
    assert http.get(f"/v1/artifacts/{unused['digest']}").status_code == 404


@pytest.mark.usefixtures("empty")
def test_files_that_are_gone_are_named(http: httpx.Client, settings: Settings) -> None:
    digest = http.post("/v1/artifacts", content=b"soon gone").json()["digest"]
    forget_files(settings)
    told = http.get("/v1/storage/garbage").json()
    assert (told["missing"], told["missing_digests"]) == (1, [digest])
