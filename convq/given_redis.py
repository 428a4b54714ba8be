"""A Redis that somebody else runs: whether it is there, and whether it loses accepted jobs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.errors import Unavailable

if TYPE_CHECKING:
    from core.settings import Settings

ACCEPTED = "redis://HOST:PORT/NUMBER, or rediss:// with TLS"
# Seconds for each step: a server that needs longer than this would be of no use.
_PATIENCE = 2.0


def address(url: str) -> str:
    """Return the URL of a Redis without user, password and options.

    Examples
    --------
    >>> address("redis://user:secret@example.org:6379/5?socket_timeout=1")
    'redis://example.org:6379/5'
    """
    scheme, mark, rest = url.rpartition("://")
    return scheme + mark + rest.rpartition("@")[2].partition("?")[0]


def settings_of(data: Path | None) -> Settings:
    """Return the settings of the service whose Redis and store are to be worked on.

    Parameters
    ----------
    data : Path, optional
        Data folder of a running ``convq serve``; without it the environment says what is meant.

    Raises
    ------
    NotFound
        No Redis was ever started in the folder.
    Unavailable
        The Redis does not answer.
    """
    from convq.stack.redis_server import url_of
    from core.settings import Settings

    settings = Settings()
    if data is not None:
        own = {"redis_url": url_of(data / "redis"), "store_url": str(data / "artifacts")}
        settings = settings.model_copy(update=own)
    try:
        check_redis(settings.redis_url)
    except Unavailable as error:
        if data is None:
            error.add_note("--data FOLDER, of a convq serve that runs here; or convq doctor")
        raise
    return settings


def check_redis(url: str) -> None:
    """Make sure that a Redis answers, within a few seconds.

    Parameters
    ----------
    url : str
        ``redis://`` or ``rediss://`` URL.

    Raises
    ------
    Unavailable
        If the URL is none, or nobody answers there, or the password is wrong. The message shows
        no password.
    """
    if not _is_address(url):
        raise Unavailable(
            "this is no address of a Redis",
            field="CONVQ_REDIS_URL",
            given=address(url),
            accepted=ACCEPTED,
        )
    try:
        with _connect(url) as client:
            client.ping()
    except redis.RedisError as error:
        raise _does_not_answer(url, error) from error


def read_info(url: str) -> dict[str, Any]:
    """Return the INFO of a Redis and, unless it keeps that secret, its ``appendfsync``.

    Raises
    ------
    Unavailable
        As `check_redis`.
    """
    check_redis(url)
    try:
        with _connect(url) as client:
            found: Any = client.info()
            # Hosted ones do not show their configuration.
            with suppress(redis.ResponseError):
                found |= client.config_get("appendfsync")
            return dict(found)
    except redis.RedisError as error:
        raise _does_not_answer(url, error) from error


def server_version(info: Mapping[str, Any]) -> str:
    """Return name and version of a server, from its INFO.

    Examples
    --------
    >>> server_version({"redis_version": "8.2.1"})
    'redis 8.2.1'

    Valkey tells the version of Redis that it stands in for, and its own:

    >>> server_version(
    ...     {"server_name": "valkey", "redis_version": "7.2.4", "valkey_version": "9.1.2"}
    ... )
    'valkey 9.1.2'
    """
    name = info.get("server_name", "redis")
    return f"{name} {info.get(f'{name}_version', info['redis_version'])}"


def weaknesses(info: Mapping[str, Any]) -> list[str]:
    """Say in which way a Redis could lose accepted jobs, and what to set.

    Parameters
    ----------
    info : mapping
        Of `read_info`.

    Examples
    --------
    >>> good = {"aof_enabled": 1, "appendfsync": "always", "maxmemory_policy": "noeviction"}
    >>> weaknesses(good)
    []
    >>> weaknesses(good | {"appendfsync": "everysec"})
    ['appendfsync is everysec: its crash may lose the last seconds; set appendfsync always']
    """
    found = []
    fsync = info.get("appendfsync", "not shown")
    if not info.get("aof_enabled"):
        found.append(
            "it keeps no append-only file: its crash loses accepted jobs; "
            "set appendonly yes and appendfsync always"
        )
    elif fsync != "always":
        found.append(
            f"appendfsync is {fsync}: its crash may lose the last seconds; set appendfsync always"
        )
    policy = info.get("maxmemory_policy", "not shown")
    if policy != "noeviction":
        found.append(
            f"maxmemory-policy is {policy}: it drops jobs when its memory is full; "
            "set maxmemory-policy noeviction"
        )
    return found


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for one that is none
    except ValueError:
        return False
    number = parts.path.strip("/")
    is_number = not number or (number.isascii() and number.isdecimal())
    return parts.scheme in ("redis", "rediss") and bool(parts.hostname) and is_number


def _connect(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_timeout=_PATIENCE,
        socket_connect_timeout=_PATIENCE,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )


def _does_not_answer(url: str, error: redis.RedisError) -> Unavailable:
    return Unavailable(f"Redis at {address(url)} does not answer: {error}")
