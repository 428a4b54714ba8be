"""Claims jobs, and the next ones while others are computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Event

from redis.exceptions import RedisError

from core.errors import StoreAway
from core.store.artifacts import Artifact, ArtifactStore
from core.store.jobs import Job, JobStore
from workers.attempt import needed_by
from workers.lease import interval
from workers.patience import persist


@dataclass(frozen=True)
class Claimed:
    """Jobs that were claimed at once.

    Attributes
    ----------
    jobs : list of Job
        The best first: several only if they can be run together, none if none is queued.
    inputs : dict
        By tenants, whose of them run together: the records of what their jobs refer to, by digest.
        A tenant is missing where these cannot be told, and its jobs are run alone.
    """

    jobs: list[Job]
    inputs: dict[str, dict[str, Artifact]]

    def of_tenants(self) -> list[tuple[str, list[Job]]]:
        """Return the jobs of each tenant."""
        tenants = dict.fromkeys(job.tenant for job in self.jobs)
        return [(name, [job for job in self.jobs if job.tenant == name]) for name in tenants]


class Claims:
    """What a worker takes from the queue.

    To claim is to wait for Redis. Where more jobs are queued than were claimed at once, the next
    ones can be claimed, and what they refer to be looked up, while these are computed: one claim
    ahead. Its leases are renewed until then, and what is cancelled is dropped: it has not begun, so
    nobody needs to be stopped. Who claims ahead calls `next` or `give_back` in any case.

    Parameters
    ----------
    jobs : JobStore
        Where jobs are given back.
    artifacts : ArtifactStore
        Where inputs are looked up.
    claim : callable
        Claims the best job and those that can be run together with it.
    lease : float
        Seconds that a renewal lasts.
    """

    def __init__(
        self,
        jobs: JobStore,
        artifacts: ArtifactStore,
        claim: Callable[[], list[Job]],
        *,
        lease: float,
    ) -> None:
        self._jobs = jobs
        self._artifacts = artifacts
        self._claim = claim
        self._lease = lease
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="convq-claim")
        self._ahead: Future[Claimed] | None = None
        self._is_wanted = Event()

    @property
    def is_ahead(self) -> bool:
        """Whether jobs are claimed, or about to be, that `next` has not returned."""
        return self._ahead is not None

    def begin_next(self) -> None:
        """Claim ahead."""
        self._is_wanted.clear()
        self._ahead = self._thread.submit(self._take_ahead)

    def next(self) -> Claimed:
        """Return what was claimed ahead, or else what is claimed now."""
        ahead, self._ahead = self._ahead, None
        if ahead is None:
            return self._take()
        self._is_wanted.set()
        return ahead.result()

    def give_back(self) -> None:
        """Let others have what was claimed ahead."""
        if self._ahead is not None:
            for job in self.next().jobs:
                self._jobs.release(job.id, job.attempt, "the worker could not begin it")

    def _take_ahead(self) -> Claimed:
        claimed = self._take()
        while claimed.jobs and not self._is_wanted.wait(interval(self._lease)):
            try:
                claimed = self._renewed(claimed)
            except RedisError:  # What was lost meanwhile is noticed when it begins.
                continue
        return claimed

    def _renewed(self, claimed: Claimed) -> Claimed:
        claims = [(job.id, job.attempt, None) for job in claimed.jobs]
        answers = self._jobs.renew_many(claims, lease=self._lease)
        kept = []
        for job, answer in zip(claimed.jobs, answers, strict=True):
            if answer == "cancel":
                self._jobs.release(job.id, job.attempt, "cancelled before it began")
            elif answer != "lost":
                kept.append(job)
        return Claimed(kept, claimed.inputs)

    def _take(self) -> Claimed:
        claimed = Claimed(self._claim(), {})
        if len(claimed.jobs) > 1:
            for tenant, jobs in claimed.of_tenants():
                artifacts = self._artifacts.of(tenant)
                try:
                    needed = needed_by(jobs, artifacts)
                except StoreAway:  # a long description is an artifact
                    continue
                claimed.inputs[tenant] = persist(partial(artifacts.find, needed))
        return claimed
