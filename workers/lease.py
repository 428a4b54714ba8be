"""Keeps the claims of a process alive, and carries news and wishes to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from redis.exceptions import RedisError

from core.jobs.run import Run
from core.store.jobs import Job, JobStore, Progress
from workers.tail import TAIL

log = logging.getLogger(__name__)

# Seconds between two renewals, in which a cancel is noticed.
_INTERVAL = 0.25

# Why jobs are given up that wait.
_REASONS = {
    "cancel": "it was cancelled while it waited",
    "drain": "the worker was asked to stop",
}


@dataclass(eq=False)
class _Held:
    """A claim: the attempt that works on it once it has begun, and what was told of it."""

    job: Job
    due: float
    run: Run | None = None
    told: Progress | None = None
    is_given_up: bool = False


def _key(job: Job) -> tuple[str, int]:
    # One that was lost may have been claimed again.
    return job.id, job.attempt


class Lease:
    """Renews the claims of a process, from when they are made until they are dropped.

    Of the jobs that a process holds, at most one is being worked on; the others wait for their turn
    or for their commit. A job that is cancelled while it waits is given up at once: nobody needs to
    be stopped, and the one that is being worked on is not to be killed for it. So is one that has
    not begun when the worker is to stop.

    When Redis is away it keeps trying: the claims may still hold when Redis returns, and if they do
    not, the first answer says so and the work stops.

    Parameters
    ----------
    jobs : JobStore
        Where the claims are.
    seconds : float
        How long a renewal lasts.
    """

    def __init__(self, jobs: JobStore, *, seconds: float) -> None:
        self._jobs = jobs
        self._seconds = seconds
        self._pause = min(_INTERVAL, seconds / 4)
        self._held: dict[tuple[str, int], _Held] = {}
        self._at_work: _Held | None = None
        self._changing = threading.Lock()
        self._publishing = threading.Lock()
        # There is one while something is held.
        self._thread: threading.Thread | None = None

    def hold(self, jobs: Iterable[Job]) -> None:
        """Renew the claims of some jobs from now on."""
        # Small jobs have mostly ended by then, and need not be renewed at all.
        due = time.monotonic() + self._pause
        with self._changing:
            self._held |= {_key(job): _Held(job, due) for job in jobs}
            if self._held and self._thread is None:
                self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
                self._thread.start()

    def begin(self, job: Job, run: Run) -> bool:
        """Tell that the work on a job begins; False if it must not, as the job is held no more.

        Progress and reports of the run are sent with each renewal; it is told when to stop.
        """
        with self._changing:
            held = self._held.get(_key(job))
            if held is None or held.is_given_up:
                return False
            held.run = run
            self._at_work = held
            return True

    def pause(self) -> None:
        """Tell that the work has ended; the job waits for its commit."""
        with self._changing:
            self._at_work = None

    def drop(self, jobs: Iterable[Job]) -> None:
        """Renew the claims of some jobs no more."""
        with self._changing:
            for job in jobs:
                self._held.pop(_key(job), None)
                TAIL.take(job.id)  # what was logged since it was published

    def give_back(self) -> None:
        """Drop all jobs, and let others have those that have not begun.

        The lease of one that has begun runs out, which counts: it may be to blame.
        """
        left = self._now()
        try:
            for held in left:
                if held.run is None:
                    self._release(held, "the worker could not begin it")
        finally:
            self.drop(held.job for held in left)

    def publish(self) -> None:
        """Send what the runs have reported and logged.

        After an error the reports are sent with the next call; lines of the log are lost here, and
        in the worker's log all the same.
        """
        with self._publishing:
            for held in self._now():
                if held.run is None:
                    continue
                job = held.job
                for report in held.run.reports():
                    self._jobs.report(job.id, job.attempt, report.text, lasts=report.lasts)
                    held.run.told(report)
                if lines := TAIL.take(job.id):
                    self._jobs.log(job.id, job.attempt, lines)

    def _now(self) -> list[_Held]:
        with self._changing:
            return list(self._held.values())

    def _keep(self) -> None:
        renewed = time.monotonic()
        while True:
            with self._changing:
                if not self._held:
                    self._thread = None
                    return
                due = min(held.due for held in self._held.values())
            if (rest := due - time.monotonic()) > 0:
                time.sleep(rest)
                continue
            try:
                self._renew()
                self.publish()
            except RedisError as error:
                log.warning(
                    "no lease was renewed for %.1f s: %s", time.monotonic() - renewed, error
                )
            else:
                renewed = time.monotonic()

    def _renew(self) -> None:
        claims = []
        now = time.monotonic()
        renewed = [held for held in self._now() if held.due <= now]
        for held in renewed:
            held.due = now + self._pause
            progress = None if held.run is None else held.run.progress
            news = None if progress == held.told else progress
            claims.append((held.job.id, held.job.attempt, news))
        answers = self._jobs.renew_many(claims, lease=self._seconds)
        for held, (_, _, news), answer in zip(renewed, claims, answers, strict=True):
            held.told = news or held.told
            if answer != "ok":
                self._heed(held, answer)

    def _heed(self, held: _Held, answer: str) -> None:
        """Do what is asked of who holds a job: stop the work, or give up what waits."""
        with self._changing:
            waits = held is not self._at_work
            is_unbegun = held.run is None
            held.is_given_up = waits and (is_unbegun or answer == "cancel")
        if answer == "lost" and waits:
            self.drop([held.job])
        elif held.is_given_up:
            self._release(held, _REASONS[answer])
            self.drop([held.job])
        elif held.run is not None:
            held.run.ask_to_stop(answer)

    def _release(self, held: _Held, reason: str) -> None:
        self._jobs.release(held.job.id, held.job.attempt, reason)
