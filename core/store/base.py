"""What the stores in Redis have in common: a client, a prefix, their scripts, and a tenant."""

from __future__ import annotations

import copy
from typing import Any, Self

import redis

from core.store.connection import Scripts
from core.store.tenants import DEFAULT


class RedisStore:
    """Records under one prefix.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.
    """

    def __init__(self, client: redis.Redis, prefix: str = "convq") -> None:
        # redis-py types every answer as possibly awaitable.
        self._redis: Any = client
        self._prefix = prefix
        self._scripts = Scripts(client, prefix)


class TenantStore(RedisStore):
    """Records of one tenant, the default one unless `of` is used."""

    def __init__(self, client: redis.Redis, prefix: str = "convq") -> None:
        super().__init__(client, prefix)
        self._tenant = DEFAULT

    def of(self, tenant: str) -> Self:
        """Return a store, with the same connection, of another tenant."""
        store = copy.copy(self)
        store._tenant = tenant  # noqa: SLF001 - its own class
        return store
