"""Sends the message that wakes a worker up."""

from __future__ import annotations

import logging

import anyio
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.queue import QUEUE, TASK, celery_config
from core.settings import Settings

# The broker's client tries for several seconds to reach a Redis that is away.
_SECONDS = 1.0

log = logging.getLogger(__name__)


class Producer:
    """The sending side of Celery; it knows the name of the task, not the task.

    Parameters
    ----------
    settings : Settings
        For the broker.
    """

    def __init__(self, settings: Settings) -> None:
        self._celery = Celery("convq-api", set_as_current=False)
        self._celery.conf.update(celery_config(settings))
        # A worker waits long for a message by design; here nobody waits for one.
        self._celery.conf.broker_transport_options |= {"socket_timeout": settings.redis_timeout}

    async def send(self, count: int) -> None:
        """Send wake-ups for jobs whose records are written, in a second at most.

        A failure is logged and no more: the jobs are safe, and the workers' reconciler sends what
        is missing.
        """
        if count:
            with anyio.move_on_after(_SECONDS):
                await anyio.to_thread.run_sync(self._send, count, abandon_on_cancel=True)

    def _send(self, count: int) -> None:
        try:
            for _ in range(count):
                self._celery.send_task(TASK, queue=QUEUE)
        except (OperationalError, RedisError) as error:
            log.warning("no message sent, the reconciler will: %s", error)

    def close(self) -> None:
        """Close the connections to the broker."""
        self._celery.close()
