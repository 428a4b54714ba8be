"""The one Celery task: wake up and look whether there is a job to be claimed."""

from __future__ import annotations

import logging
import os
from functools import cache
from typing import Any

from celery import current_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.queue import TASK
from core.settings import Settings
from workers.app import app
from workers.runner import Runner

log = logging.getLogger(__name__)


@app.task(name=TASK)  # type: ignore[untyped-decorator]
def wake_up(*_: Any) -> None:
    """Run what is queued. Whatever the message says, it grants nothing and chooses nothing."""
    _runner(current_task.request.hostname.partition("@")[0]).run()


def send() -> None:
    """Put a message into the queue; if that fails, the reconciler will."""
    try:
        wake_up.apply_async()
    except (OperationalError, RedisError) as error:
        log.warning("no message sent, the reconciler will: %s", error)


@cache
def _runner(worker: str) -> Runner:
    # One per process: its connections and the engine's caches live as long as the process.
    return Runner(Settings(), worker=worker, pid=os.getpid(), send=send)
