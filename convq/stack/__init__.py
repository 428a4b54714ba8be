"""The whole service on one machine, with one command or one object."""

from __future__ import annotations

from convq.stack.local import LocalStack
from convq.stack.redis_server import RedisServer
from convq.stack.serve import serve

__all__ = ["LocalStack", "RedisServer", "serve"]
