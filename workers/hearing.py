"""Notices that Celery has stopped listening, and lets it connect anew."""

from __future__ import annotations

import logging
import time
from typing import Any

import redis
from celery.worker import state
from redis.exceptions import ConnectionError as RedisConnectionError

from core import queue
from core.settings import Settings
from workers.steering import Steering

log = logging.getLogger(__name__)

# A worker that listens takes a message within a second.
_DEAF_SECONDS = 5.0


class Hearing:
    """Watches whether this worker takes messages that are there to be taken.

    A message that could not be acknowledged, because Redis went away in that moment, counts as
    unfinished for ever: Celery then waits for room in its prefetch of one, never reads from Redis
    again, and so never sees that the connection is gone.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    settings : Settings
        For the key of the messages.
    consumer : celery.worker.consumer.Consumer
        Takes the messages.
    steering : Steering
        Knows whether it should.
    """

    def __init__(
        self, client: redis.Redis, settings: Settings, consumer: Any, steering: Steering
    ) -> None:
        self._redis = client
        self._settings = settings
        self._consumer = consumer
        self._steering = steering
        self._deaf_since: float | None = None

    def listen(self) -> None:
        """Reconnect if messages have been waiting for long while there was nothing to do."""
        if not self._is_deaf():
            self._deaf_since = None
            return
        now = time.monotonic()
        if self._deaf_since is None:
            self._deaf_since = now
        elif now - self._deaf_since > _DEAF_SECONDS:
            self._deaf_since = None
            log.warning("messages wait and none is taken; connecting to the broker anew")
            # Celery's loop runs in another thread.
            self._consumer.call_soon(_lose_connection)

    def _is_deaf(self) -> bool:
        # While it connects it has no connection; a message that it holds may wait for its process.
        idle = self._consumer.connection is not None and not len(state.reserved_requests)
        if not idle or not self._steering.flows:
            return False
        return queue.depth(self._redis, self._settings, self._steering.queues) > 0


def _lose_connection() -> None:
    raise RedisConnectionError("the connection to the broker is taken for dead")
