"""Claims jobs, and the next ones while others are computed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from core.errors import ConvqError
from core.store.artifacts import Artifact, ArtifactStore
from core.store.jobs import Job
from workers.attempt import needed_by
from workers.lease import Lease
from workers.patience import persist

log = logging.getLogger(__name__)


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
    ahead.

    Parameters
    ----------
    artifacts : ArtifactStore
        Where inputs are looked up.
    claim : callable
        Claims the best job and those that can be run together with it.
    lease : Lease
        Holds what is claimed.
    """

    def __init__(
        self, artifacts: ArtifactStore, claim: Callable[[], list[Job]], lease: Lease
    ) -> None:
        self._artifacts = artifacts
        self._claim = claim
        self._lease = lease
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="convq-claim")
        self._ahead: Future[Claimed] | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether jobs are claimed, or about to be, that `next` has not returned."""
        return self._ahead is not None

    def begin_next(self) -> None:
        """Claim ahead."""
        self._ahead = self._thread.submit(self._take)

    def next(self) -> Claimed:
        """Return what was claimed ahead, or else what is claimed now."""
        ahead, self._ahead = self._ahead, None
        return self._take() if ahead is None else ahead.result()

    def settle(self) -> None:
        """Return once nothing is about to be claimed."""
        if self._ahead is not None:
            self.next()

    def _take(self) -> Claimed:
        claimed = Claimed(self._claim(), {})
        self._lease.hold(claimed.jobs)
        if len(claimed.jobs) > 1:
            for tenant, jobs in claimed.of_tenants():
                artifacts = self._artifacts.of(tenant)
                try:
                    needed = needed_by(jobs, artifacts)
                    claimed.inputs[tenant] = persist(partial(artifacts.find, needed))
                # Each of the jobs will tell what is wrong with it.
                except (ConvqError, ValueError) as error:
                    log.warning("inputs are looked up job by job: %s", error)
        return claimed
