"""Messages for jobs that are in the queue."""

from __future__ import annotations

import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from core.store.jobs import JobStore

log = logging.getLogger(__name__)


def wake(jobs: JobStore, send: Callable[[], None]) -> None:
    """Send as many messages as the jobs that are queued lack.

    Parameters
    ----------
    jobs : JobStore
        Where the queue is.
    send : callable
        Puts a message into the queue, which wakes a worker up.
    """
    try:
        for _ in range(jobs.missing_messages(age=0)):
            send()
    except RedisError as error:
        log.info("no message sent, the reconciler will: %s", error)
