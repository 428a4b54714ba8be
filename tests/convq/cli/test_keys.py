"""``convq keys`` against a real Redis."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

from convq.cli.app import app
from convq.stack.redis_server import RedisServer
from core.errors import Unauthenticated
from core.store.keys import KeyStore


@pytest.fixture
def records(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, client: redis.Redis) -> Any:
    monkeypatch.setenv("CONVQ_REDIS_URL", redis_server.url)
    return KeyStore(client)


def convq(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["keys", *arguments])


def test_a_key_is_made_shown_once_listed_and_revoked(records: KeyStore) -> None:
    assert "no keys" in convq("list").stderr
    made = convq("create", "--tenant", "lab", "--expires", "90d", "--label", "Ada's")
    assert made.exit_code == 0, made.output
    text = made.stdout.strip()
    key = records.verify(text)
    assert (key.tenant, key.scopes, key.label) == ("lab", {"submit", "read"}, "Ada's")
    assert key.expires == pytest.approx(key.created + 90 * 86400, abs=1)
    listed = convq("list")
    assert key.id in listed.stdout
    assert text.rpartition("_")[2] not in listed.output
    assert text not in made.stderr
    (shown,) = json.loads(convq("list", "--json").stdout)["keys"]
    assert (shown["id"], shown["scopes"], shown["used"]) == (key.id, ["read", "submit"], None)
    assert convq("revoke", key.id).exit_code == 0
    with pytest.raises(Unauthenticated):
        records.verify(text)
    assert convq("revoke", key.id).exit_code == 1


def test_json_has_the_key(records: KeyStore) -> None:
    more = ("--scopes", "admin, read", "--rate", "5", "--burst", "9", "--json")
    made = json.loads(convq("create", "--tenant", "lab", *more).stdout)
    key = records.verify(made.pop("key"))
    assert (key.rate, key.burst, key.scopes) == (5, 9, {"admin", "read"})
    assert made["expires"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--tenant", "A:b"], "tenant"),
        (["--tenant", "lab", "--scopes", "fly"], "submit, read, edge, admin"),
        (["--tenant", "lab", "--expires", "soon"], "90d"),
        (["--tenant", "lab", "--expires", "0d"], "expires"),
    ],
)
def test_what_makes_no_sense_is_refused(records: KeyStore, arguments: list[str], told: str) -> None:
    found = convq("create", *arguments)
    assert found.exit_code == 2
    assert told in found.stderr
    assert records.all() == []


def test_the_data_folder_of_a_running_stack_says_which_redis(
    redis_server: RedisServer,
    client: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONVQ_REDIS_URL", "redis://127.0.0.1:1/0")
    (tmp_path / "redis").symlink_to(redis_server.folder)
    made = convq("create", "--tenant", "lab", "--data", str(tmp_path))
    assert KeyStore(client).verify(made.stdout.strip()).tenant == "lab"
    missing = convq("list", "--data", str(tmp_path / "other"))
    assert missing.exit_code == 1
    assert "convq serve" in missing.stderr


def test_a_redis_that_is_away_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVQ_REDIS_URL", "redis://:s3cret@127.0.0.1:1/0")
    found = convq("list")
    assert found.exit_code == 3
    assert "s3cret" not in found.output
    assert "--data FOLDER" in found.output
