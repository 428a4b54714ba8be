"""A job that kills the process of whoever runs it."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from redis.exceptions import RedisError

from bench.chaos.arena import Arena
from core.store.states import TERMINAL


class Poison:
    """Kills the child that runs a certain job, each time.

    Parameters
    ----------
    arena : Arena
        Where the job is.
    job_id : str
        The job.
    """

    def __init__(self, arena: Arena, job_id: str) -> None:
        self.job_id = job_id
        self._arena = arena
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the job has ended."""
        self._thread.join()

    def _work(self) -> None:
        killed = 0
        while True:
            with suppress(RedisError):
                job = self._arena.jobs.get(self.job_id)
                if job.state in TERMINAL:
                    return
                if job.state == "running" and job.attempt > killed and job.pid is not None:
                    killed = job.attempt
                    with suppress(ProcessLookupError):
                        os.kill(job.pid, signal.SIGKILL)
            time.sleep(0.005)
