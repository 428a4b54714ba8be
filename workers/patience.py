"""Waiting for what is away for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.errors import StorageFull, StoreAway

T = TypeVar("T")

# One that is full takes no writes until jobs are deleted.
REDIS_AWAY = (RedisConnectionError, RedisTimeoutError, OutOfMemoryError)

# Finished work waits this long for a Redis or a store that is away, or for room on the disk.
PATIENCE_SECONDS = 600.0


def persist(call: Callable[[], T]) -> T:
    """Call until Redis and the store answer and have room; for what may be repeated safely."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except (*REDIS_AWAY, StorageFull, StoreAway):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
