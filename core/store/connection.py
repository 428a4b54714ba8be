"""The connection to Redis and the Lua scripts that are the store's transactions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from core.settings import Settings

_LUA = files("core.store") / "lua"


def connect(settings: Settings, **options: Any) -> redis.Redis:
    """Return a thread-safe client that answers or fails within ``settings.redis_timeout``.

    A lost connection is tried again once, at once: a restarted server is noticed without an
    error, and an absent one is reported quickly instead of being waited for. A command that
    got no answer in time is not repeated, since it may have been carried out.
    """
    return redis.Redis.from_url(
        settings.redis_url,
        **{
            "decode_responses": True,
            "socket_timeout": settings.redis_timeout,
            "socket_connect_timeout": settings.redis_timeout,
            "socket_keepalive": True,
            "health_check_interval": 30,
            "retry": Retry(NoBackoff(), 1, (redis.exceptions.ConnectionError,)),
            "client_name": "convq",
        }
        | options,
    )


def server_ms(client: Any) -> int:
    """Return the server's clock in milliseconds since the epoch."""
    seconds, microseconds = client.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


class Scripts:
    """The Lua files beside this module, callable by name.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.

    Examples
    --------
    >>> scripts = Scripts(redis.Redis(), "convq")
    >>> callable(scripts.run)
    True
    """

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._scripts = {
            name: client.register_script(source) for name, source in _sources().items()
        }

    def run(self, name: str, *args: Any) -> Any:
        """Run the script; one script is one transaction."""
        return self._scripts[name](args=[self._prefix, *args])

    def run_each(self, name: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """Run the script with each of the arguments, in one round trip."""
        if len(calls) == 1:
            return [self.run(name, *calls[0])]
        script = self._scripts[name]
        try:
            return self._run_each(script.sha, calls)
        except NoScriptError:  # then none of them has run
            self._client.script_load(script.script)
            return self._run_each(script.sha, calls)

    def _run_each(self, sha: str, calls: Sequence[Sequence[Any]]) -> list[Any]:
        # redis-py's own scripts ask in a pipeline first whether they are known.
        pipeline = self._client.pipeline(transaction=False)
        for arguments in calls:
            pipeline.evalsha(sha, 0, self._prefix, *arguments)
        answers: list[Any] = pipeline.execute()
        return answers


@cache
def _sources() -> dict[str, str]:
    parts = ("_late.lua", "_common.lua", "_artifacts.lua", "_queue.lua", "_history.lua")
    common = "".join((_LUA / name).read_text() for name in parts)
    edge = common + (_LUA / "_edge.lua").read_text()
    end = (_LUA / "_end.lua").read_text()
    sources = {}
    for entry in _LUA.iterdir():
        if entry.name.endswith(".lua") and not entry.name.startswith("_"):
            before = edge if entry.name.startswith("edge_") else common
            body = f"local function script()\n{entry.read_text()}end\n"
            sources[entry.name.removesuffix(".lua")] = before + body + end
    return sources
