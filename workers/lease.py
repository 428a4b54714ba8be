"""Keeps a claim alive while the work goes on, and carries news and wishes to stop."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from redis.exceptions import RedisError

from core.jobs.run import Run
from core.logs import run_here
from core.store.jobs import JobStore, Progress

log = logging.getLogger(__name__)

# A cancel is noticed within this many seconds.
_INTERVAL = 0.25


class Lease:
    """A thread that renews the claim of an attempt as long as its ``with`` block lasts.

    When Redis is away it keeps trying: the claim may still hold when Redis returns, and if it does
    not, the first answer says so and the work stops.

    Parameters
    ----------
    jobs : JobStore
        Where the claim is.
    job_id, attempt : str, int
        The claim.
    run : Run
        Its progress and reports are sent with each renewal; it is told when to stop.
    seconds : float
        How long a renewal lasts.
    """

    def __init__(
        self, jobs: JobStore, job_id: str, attempt: int, run: Run, *, seconds: float
    ) -> None:
        self._jobs = jobs
        self._job_id = job_id
        self._attempt = attempt
        self._run = run
        self._seconds = seconds
        self._publishing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=run_here(self._keep), name=f"lease-{job_id}", daemon=True
        )

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def publish(self) -> None:
        """Send what the run has reported; after an error it is sent with the next call."""
        with self._publishing:
            for report in self._run.reports():
                self._jobs.report(self._job_id, self._attempt, report.text, lasts=report.lasts)
                self._run.told(report)

    def _keep(self) -> None:
        told: Progress | None = None
        renewed = time.monotonic()
        while not self._done.wait(min(_INTERVAL, self._seconds / 4)):
            progress = self._run.progress
            try:
                answer = self._jobs.renew(
                    self._job_id,
                    self._attempt,
                    lease=self._seconds,
                    progress=None if progress == told else progress,
                )
                self.publish()
            except RedisError as error:
                log.warning(
                    "job %s: the lease was not renewed for %.1f s: %s",
                    self._job_id,
                    time.monotonic() - renewed,
                    error,
                )
                continue
            told, renewed = progress, time.monotonic()
            if answer != "ok":
                self._run.ask_to_stop(answer)
