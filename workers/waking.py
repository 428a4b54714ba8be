"""Messages for jobs that are in the queue."""

from __future__ import annotations

import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from core.needs import Offers
from core.queue import BOUND, Kind
from core.store.jobs import JobStore

log = logging.getLogger(__name__)


def summon(jobs: JobStore, on: Kind, offers: Offers, send: Callable[[str], None]) -> None:
    """Send the messages that jobs lack that are bound to a kind of device.

    Parameters
    ----------
    jobs : JobStore
        Where the queue is.
    on, offers
        As for `core.store.jobs.JobStore.missing_bound`.
    send : callable
        Puts a message into the queue of a name.
    """
    for _ in range(jobs.missing_bound(on, offers)):
        send(BOUND[on])


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
