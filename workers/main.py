"""Starts a worker: Celery's prefork worker with one process, and the threads of its parent."""

from __future__ import annotations

import logging
import os
import socket

from core import logs
from core.queue import BOUND, QUEUE
from core.settings import Settings
from workers import devices
from workers.gpus import Gpu

log = logging.getLogger(__name__)


def run(
    settings: Settings, *, name: str, gpu: Gpu | None = None, queues: list[str] | None = None
) -> int:
    """Run a worker until it is told to stop; return its exit code.

    Parameters
    ----------
    settings : Settings
        As read from the environment: the worker's child process reads the same variables again.
    name : str
        Unique among the workers of one service; a worker that starts takes over the name.
    gpu : Gpu, optional
        What it computes on; the processor by default.
    queues : list of str, optional
        Celery queues to serve; all work by default.
    """
    logs.setup(settings.log_format, level=settings.log_level)
    log.info("computes on %s", "the processor" if gpu is None else f"{gpu.name} ({gpu.uuid})")
    # For the processes that are started: this one does not load CUDA.
    os.environ.update(devices.environment(gpu))
    if gpu is not None:
        os.environ.update(devices.for_cupy(settings) | os.environ)
    settings = settings.model_copy(update={"gpus": os.environ["CONVQ_GPUS"]})
    from workers.app import app
    from workers.parent import Parent

    worker = app.Worker(
        hostname=f"{name}@{socket.gethostname()}",
        queues=queues or [QUEUE, BOUND["cpu" if gpu is None else "gpu"]],
        loglevel=settings.log_level,
        quiet=True,  # no banner between the lines of the log
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    # With this billiard would let children write lines of its own form before they set up logging.
    os.environ.pop("_MP_FORK_LOGLEVEL_", None)
    Parent(settings, name).attach()
    worker.start()
    return int(worker.exitcode or 0)
