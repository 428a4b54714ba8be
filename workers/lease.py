"""Keeps a claim alive while the work goes on, and carries news and wishes to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

from redis.exceptions import RedisError

from core.jobs.run import Run
from core.logs import run_here
from core.store.jobs import JobStore, Progress
from workers.tail import TAIL

log = logging.getLogger(__name__)

# A cancel is noticed within this many seconds.
_INTERVAL = 0.25


def interval(lease: float) -> float:
    """Return how many seconds lie between two renewals of claims that last for so many.

    Examples
    --------
    >>> interval(10), interval(0.2)
    (0.25, 0.05)
    """
    return min(_INTERVAL, lease / 4)


class Held(NamedTuple):
    """A claim, and the attempt that works on it."""

    job_id: str
    attempt: int
    run: Run


class Lease:
    """A thread that renews claims as long as its ``with`` block lasts.

    When Redis is away it keeps trying: the claims may still hold when Redis returns, and if they do
    not, the first answer says so and the work stops.

    Parameters
    ----------
    jobs : JobStore
        Where the claims are.
    held : sequence of Held
        The claims. Progress and reports of their runs are sent with each renewal; the runs are told
        when to stop.
    seconds : float
        How long a renewal lasts.
    """

    def __init__(self, jobs: JobStore, held: Sequence[Held], *, seconds: float) -> None:
        self._jobs = jobs
        self._held = held
        self._seconds = seconds
        self._told: dict[str, Progress] = {}
        self._publishing = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(
            target=run_here(self._keep), name=f"lease-{held[0].job_id}", daemon=True
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
        """Send what the runs have reported and logged.

        After an error the reports are sent with the next call; lines of the log are lost here, and
        in the worker's log all the same.
        """
        with self._publishing:
            for job_id, attempt, run in self._held:
                for report in run.reports():
                    self._jobs.report(job_id, attempt, report.text, lasts=report.lasts)
                    run.told(report)
                if lines := TAIL.take(job_id):
                    self._jobs.log(job_id, attempt, lines)

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._done.wait(interval(self._seconds)):
            try:
                self._renew()
                self.publish()
            except RedisError as error:
                log.warning(
                    "job %s: the lease was not renewed for %.1f s: %s",
                    self._held[0].job_id,
                    time.monotonic() - renewed,
                    error,
                )
            else:
                renewed = time.monotonic()

    def _renew(self) -> None:
        claims = []
        for job_id, attempt, run in self._held:
            news = None if run.progress == self._told.get(job_id) else run.progress
            claims.append((job_id, attempt, news))
        answers = self._jobs.renew_many(claims, lease=self._seconds)
        self._told |= {job_id: news for job_id, _, news in claims if news is not None}
        for held, answer in zip(self._held, answers, strict=True):
            if answer != "ok":
                held.run.ask_to_stop(answer)
