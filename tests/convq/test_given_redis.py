from __future__ import annotations

import socket
import time
from typing import Any

import pytest
import redis

from convq.given_redis import address, check_redis, read_info, server_version, weaknesses
from core.errors import Unavailable

GOOD = {"aof_enabled": 1, "appendfsync": "always", "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "",
        "redis://",
        "redis://:6379/0",
        "http://127.0.0.1:6379",
        "redis://127.0.0.1:port/0",
        "redis://127.0.0.1:99999/0",
        "redis://127.0.0.1/zero",
        "redis://[::1/0",
        "unix:///run/redis.sock",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Unavailable, match=r"^CONVQ_REDIS_URL: this is no address") as caught:
        check_redis(url)
    assert "redis://HOST:PORT" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://u:sec/ret@h:1/0", "foo:secret@bar", "redis://h?password=secret"]
)
def test_no_password_is_shown(url: str) -> None:
    assert "ret" not in address(url)


def test_nobody_answers() -> None:
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"^Redis at redis://127\.0\.0\.1:1/0 does") as caught:
        check_redis("redis://:secret@127.0.0.1:1/0")
    assert time.monotonic() - began < 5
    assert "secret" not in str(caught.value)


def test_somebody_who_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            check_redis(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert time.monotonic() - began < 5


def test_a_wrong_password(redis_server: Any) -> None:
    with pytest.raises(Unavailable, match="password"):
        check_redis(f"redis://:wrong@127.0.0.1:{redis_server.port}/0")


def test_a_redis_that_loses_nothing(redis_server: Any) -> None:
    check_redis(redis_server.url)
    info = read_info(redis_server.url)
    assert weaknesses(info) == []
    name, version = server_version(info).split()
    assert info[f"{name}_version"] == version


def test_a_redis_that_keeps_its_configuration_secret(redis_server: Any) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.acl_setuser(
            "hosted", enabled=True, passwords=["+pw"], commands=["+@all", "-config"], keys=["*"]
        )
        info = read_info(f"redis://hosted:pw@127.0.0.1:{redis_server.port}/0")
        client.acl_deluser("hosted")
    assert weaknesses(info) == [
        "appendfsync is not shown: its crash may lose the last seconds; set appendfsync always"
    ]


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"aof_enabled": 0}, "set appendonly yes and appendfsync always"),
        ({"appendfsync": "everysec"}, "set appendfsync always"),
        ({"maxmemory_policy": "allkeys-lru"}, "set maxmemory-policy noeviction"),
    ],
)
def test_each_weakness_says_what_to_set(change: dict[str, Any], advice: str) -> None:
    (weakness,) = weaknesses(GOOD | change)
    assert weakness.endswith(advice)
