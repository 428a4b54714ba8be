"""The one Celery task: wake up and look whether there is a job to be claimed."""

from __future__ import annotations

import gc
import logging
import os
from functools import cache
from typing import TYPE_CHECKING, Any

from billiard.compat import mem_rss
from celery import current_task, signals
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.queue import QUEUE, TASK
from core.settings import Settings
from workers import devices, scratch
from workers.app import app
from workers.trial import DeviceFailed

if TYPE_CHECKING:
    from workers.runner import Runner

log = logging.getLogger(__name__)


@app.task(name=TASK, Strategy="workers.messages:careful")  # type: ignore[untyped-decorator]
def wake_up(*_: Any) -> None:
    """Run what is queued. Whatever the message says, it grants nothing and chooses nothing."""
    try:
        _runner(current_task.request.hostname.partition("@")[0]).run()
    except DeviceFailed as error:
        # Nothing that this process has on its GPU can be used any more. Celery replaces it, and its
        # parent tests the GPU before it lets the next one work.
        log.warning("%s: this process ends: %s", Settings().gpus, error)
        logging.shutdown()
        os._exit(1)
    finally:
        _tell_growth(Settings().worker_memory)


def send(queue: str = QUEUE) -> None:
    """Put a message into a queue; if that fails, the reconciler will."""
    try:
        wake_up.apply_async(queue=queue)
    except (OperationalError, RedisError) as error:
        log.warning("no message sent, the reconciler will: %s", error)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]
def _get_ready(**_: Any) -> None:
    """Import all that computes before the first job comes; the parent does without it."""
    import workers.runner  # noqa: F401

    # What was imported stays for ever: it need not be looked through for garbage again and again.
    gc.collect()
    gc.freeze()
    scratch.settle()


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _clear_away(**_: Any) -> None:
    scratch.leave()


def _tell_growth(limit: int) -> None:
    # Celery replaces the process (core/queue.py), and tells nobody.
    taken = mem_rss() << 10
    if taken > limit:
        log.warning(
            "the process has taken %d MiB of memory, more than CONVQ_WORKER_MEMORY (%d MiB); "
            "another one takes its place",
            taken >> 20,
            limit >> 20,
        )


@cache
def _runner(worker: str) -> Runner:
    # One per process: its connections and the engine's caches live as long as the process.
    from workers.runner import Runner

    settings = Settings()
    gpu = None
    if devices.bound_to(settings) is not None:
        from workers.proof import prove

        # Before the process claims its first job.
        gpu = prove()
    return Runner(settings, worker=worker, pid=os.getpid(), send=send, gpu=gpu)
