"""Stops taking messages while the queue is paused, the worker drains or its device is out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import redis

from core.settings import Settings
from core.store.jobs import JobStore
from core.store.workers import WorkerStore

log = logging.getLogger(__name__)


class Steering:
    """Turns the flow of messages to one worker on and off.

    No job is claimed while the queue is paused, whoever asks (``claim.lua``). A worker that took
    messages all the same would throw them away, and resuming would have to wait until they are
    sent again.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    settings : Settings
        For the key prefix and the interval of heartbeats.
    worker : str
        The worker's name.
    consumer : celery.worker.consumer.Consumer
        Takes the messages.
    works : callable
        Tells whether the worker's device does.

    Attributes
    ----------
    flows : bool
        Whether messages are taken.
    queues : list of str
        Celery's queues that they are taken from.
    """

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        worker: str,
        consumer: Any,
        works: Callable[[], bool] = lambda: True,
    ) -> None:
        self._jobs = JobStore(client, settings.redis_prefix)
        self._workers = WorkerStore(client, settings)
        self._worker = worker
        self._consumer = consumer
        self._works = works
        self.queues = list(consumer.app.amqp.queues.consume_from)
        self.flows = True

    def steer(self) -> None:
        """Take messages if that is wanted now, else none."""
        held = self._jobs.paused() or self._workers.drains(self._worker)
        wanted = self._works() and not held
        if wanted == self.flows:
            return
        act = self._consumer.add_task_queue if wanted else self._consumer.cancel_task_queue
        for queue in self.queues:
            # Celery's loop runs in another thread.
            self._consumer.call_soon(act, queue)
        self.flows = wanted
        log.info("%s messages", "takes" if wanted else "takes no more")
