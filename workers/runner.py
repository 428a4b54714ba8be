"""Runs jobs from claim to commit."""

from __future__ import annotations

import logging
import math
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from core import logs, needs
from core.conv.device import cpu
from core.errors import LeaseLost, StorageFull, StoreAway
from core.jobs.run import Run
from core.jobs.together import Together
from core.settings import Settings
from core.store.artifacts import Artifact, ArtifactStore
from core.store.connection import connect
from core.store.ids import new_id
from core.store.jobs import End, Job, JobStore
from core.store.states import TERMINAL
from core.store.statistics import Statistics
from core.store.workers import WorkerStore
from workers import measured, memory
from workers.attempt import Ending, end_of
from workers.children import Children
from workers.claims import Claimed, Claims
from workers.deaths import bury
from workers.lease import Lease
from workers.patience import PATIENCE_SECONDS, REDIS_AWAY, persist
from workers.traced import work
from workers.trial import DeviceFailed, Proven
from workers.waking import wake

log = logging.getLogger(__name__)

# For so long a worker that was woken takes one job after another. Then Celery has its turn, so that
# a worker that is told to stop does not begin another job.
_TURN_SECONDS = 1.0

# Who has found nothing to do looks again after a moment, for so long: the next job of somebody who
# posts one after another then costs a look and no message through Celery.
_LINGER_SECONDS = 0.05
_PAUSE_SECONDS = 0.005

# Files that are synced at the same time, where jobs run together.
_SYNCS = 32


@dataclass(frozen=True)
class _Computed:
    """Jobs that ran together and are still to be committed.

    Attributes
    ----------
    artifacts : ArtifactStore
        Of their tenant.
    jobs, runs, ends : list
        Side by side; without those that were lost meanwhile.
    together : Together
        Holds the results.
    files : ExitStack
        What must live until then.
    """

    artifacts: ArtifactStore
    jobs: list[Job]
    runs: list[Run]
    ends: list[End]
    together: Together
    files: ExitStack


# Whether each is committed; None if they must be run alone instead.
_Committing: TypeAlias = tuple[_Computed, Future[list[bool] | None]]


class Runner:
    """Claims jobs, runs their kind, and commits what came of it.

    Parameters
    ----------
    settings : Settings
        Of this worker.
    worker : str
        The worker's name, as it stands in the records.
    pid : int
        The process that does the work (the parent kills it when a cancel is not answered).
    send : callable
        Puts a message into the queue, which wakes a worker up.
    gpu : Proven, optional
        The GPU of this process.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        worker: str,
        pid: int,
        send: Callable[[], None],
        gpu: Proven | None = None,
    ) -> None:
        client = connect(settings)
        self._settings = settings
        self._worker = worker
        self._pid = pid
        self._host = socket.gethostname()
        self._send = send
        self._jobs = JobStore(client, settings.redis_prefix)
        self._artifacts = ArtifactStore(settings.store_url, client, settings.redis_prefix)
        self._statistics = Statistics(client, settings.redis_prefix)
        self._workers = WorkerStore(client, settings)
        self._measured: Counter[str] = Counter()
        self._device = cpu()
        self._gpu = gpu
        self._offers = needs.offers(memory.available(), None if gpu is None else gpu.memory)
        self._broken: str | None = None
        self._pool = ThreadPoolExecutor(_SYNCS, thread_name_prefix="convq-sync")
        self._lease = Lease(self._jobs, seconds=settings.lease)
        self._claims = Claims(self._artifacts, self._claim, self._lease)
        # Until then the next jobs are claimed ahead.
        self._over = -math.inf
        # Committing is waiting, for the disk and for Redis: other jobs are computed meanwhile.
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="convq-commit")
        self._committing: _Committing | None = None

    def run(self) -> None:
        """Run queued jobs, the best first, until there is none for a while or the turn is over.

        Raises
        ------
        DeviceFailed
            The GPU of this process cannot be used any more.
        """
        self._over = time.monotonic() + _TURN_SECONDS
        try:
            if not self._take():
                return
            lingers_until = time.monotonic() + _LINGER_SECONDS
            while self._broken is None and (
                self._claims.is_ahead or time.monotonic() < min(self._over, lingers_until)
            ):
                if self._take():
                    lingers_until = time.monotonic() + _LINGER_SECONDS
                else:
                    time.sleep(_PAUSE_SECONDS)
        finally:
            self._over = -math.inf
            self._let_go()
        self._tell()
        self._check_gpu()
        # What is queued is left to others, or to this worker's next turn.
        wake(self._jobs, self._send)

    def step(self) -> bool:
        """Run the best job of the queue to its end; return whether there was one.

        Raises
        ------
        DeviceFailed
            As `run`.
        """
        try:
            return self._take()
        finally:
            self._let_go()
            self._check_gpu()

    def _let_go(self) -> None:
        """Commit what is computed, and give back what was not begun, whatever has gone wrong."""
        with ExitStack() as stack:
            stack.callback(self._lease.give_back)
            stack.callback(self._claims.settle)
            self._settle()

    def _check_gpu(self) -> None:
        if self._broken is not None:
            raise DeviceFailed(self._broken)

    def _take(self) -> bool:
        """Run the best job of the queue, or compute it and others; return whether there was one."""
        claimed = self._claims.next()
        if len(claimed.jobs) > 1 and self._broken is None:
            self._run_together(claimed)
        else:
            self._settle()
            self._run_alone(claimed.jobs)
        return bool(claimed.jobs)

    def _claim(self) -> list[Job]:
        claim = partial(
            self._jobs.claim,
            worker=self._worker,
            pid=self._pid,
            host=self._host,
            lease=self._settings.lease,
            token=new_id(),
            patience=self._settings.patience,
            most=self._settings.together,
            offers=self._offers,
        )
        return persist(claim)

    def _run_together(self, claimed: Claimed) -> None:
        """Compute small jobs as one.

        Meanwhile those that were computed before are committed, and the next ones claimed, if there
        are likely to be more.
        """
        if len(claimed.jobs) == self._settings.together and time.monotonic() < self._over:
            self._claims.begin_next()
        for tenant, some in claimed.of_tenants():
            known = claimed.inputs.get(tenant)
            computed = None if known is None else self._compute(some, known)
            before, self._committing = self._committing, None
            if computed is not None:
                self._committing = computed, self._committer.submit(self._commit, computed)
            self._await(before)
            if computed is None:
                self._run_alone(some)

    def _settle(self) -> None:
        """Return once what was computed is committed."""
        last, self._committing = self._committing, None
        self._await(last)

    def _await(self, committing: _Committing | None) -> None:
        """Return once jobs are committed: together, or else one by one."""
        if committing is None:
            return
        computed, future = committing
        done = future.result()
        if done is None:
            self._run_alone(computed.jobs)
            return
        self._note(computed.runs)
        for job, end, is_done in zip(computed.jobs, computed.ends, done, strict=True):
            if is_done:
                with _about(job):
                    log.info("job ends", extra={"state": end.state})

    def _compute(self, some: list[Job], known: dict[str, Artifact]) -> _Computed | None:
        """Compute jobs of one tenant, whose inputs are known; None if each must be run alone."""
        artifacts = self._artifacts.of(some[0].tenant)
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="convq-")))
            together = stack.enter_context(Together(artifacts, known))
            log.info("jobs begin together", extra={"jobs": len(some), "kind": some[0].kind})
            jobs, runs, endings = [], [], []
            for job in some:
                run = self._make(job, artifacts, scratch, together)
                with _about(job):
                    ending = self._work(job, run)
                if ending.state == "lost":
                    self._lease.drop([job])
                    continue
                jobs.append(job)
                runs.append(run)
                endings.append(ending)
            if together.is_full or not TERMINAL.issuperset(ending.state for ending in endings):
                return None
            persist(self._lease.publish)
            ends = [end_of(*parts) for parts in zip(jobs, runs, endings, strict=True)]
            return _Computed(artifacts, jobs, runs, ends, together, stack.pop_all())

    def _commit(self, computed: _Computed) -> list[bool] | None:
        """Commit what was computed; None if the jobs must be run alone instead.

        Nothing but what has to be waited for: two threads that compute take each other's time.
        """
        with computed.files:
            try:
                placed = computed.together.place(self._pool)
            except (OSError, StoreAway, StorageFull, *REDIS_AWAY) as error:
                log.warning("results are stored job by job: %s", error)
                return None
            stored = [computed.artifacts.request(artifact) for artifact in placed]
            finished = persist(lambda: self._jobs.finish_many(computed.ends, stored))
            self._lease.drop(computed.jobs)
            for file in finished.unnamed:
                computed.artifacts.files.delete(file)
            return finished.done

    def _run_alone(self, some: list[Job]) -> None:
        for job in some:
            with _about(job):
                self._run(job)
                self._lease.drop([job])

    def _run(self, job: Job) -> None:
        if self._broken is not None:
            self._lose(job, self._broken)
            return
        artifacts = self._artifacts.of(job.tenant)
        with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
            run = self._make(job, artifacts, Path(scratch))
            log.info("job begins", extra={"kind": job.kind})
            ending = self._work(job, run)
            persist(lambda: self._end(job, run, ending))
            log.info(
                "job ends", extra={"state": ending.state, "code": (ending.error or {}).get("code")}
            )

    def _work(self, job: Job, run: Run) -> Ending:
        if not self._lease.begin(job, run):
            return Ending("lost")
        try:
            return work(job, run)
        finally:
            self._lease.pause()

    def _make(
        self, job: Job, artifacts: ArtifactStore, scratch: Path, together: Together | None = None
    ) -> Run:
        return Run(
            artifacts=artifacts,
            device=self._device,
            memory_cap=self._settings.memory_cap,
            scratch=scratch,
            total=job.progress.total,
            max_pixels=self._settings.max_pixels,
            resumes_from=job.checkpoint,
            keep=lambda digest: self._keep(job.id, job.attempt, digest),
            continue_after=self._settings.continue_after,
            patience=PATIENCE_SECONDS,
            check_room=partial(
                artifacts.check_room,
                most=self._settings.max_stored,
                most_of_tenant=self._settings.max_stored_of_tenant,
            ),
            children=Children(
                self._jobs,
                artifacts,
                job.id,
                job.attempt,
                priority=job.priority,
                wish=job.device,
                device=self._device,
                memory_cap=self._settings.memory_cap,
                send=self._send,
                workers=self._workers.all,
            ),
            together=together,
            gpu=None if self._gpu is None else self._gpu.device,
        )

    def _keep(self, job_id: str, attempt: int, digest: str) -> bool:
        answer = self._jobs.checkpoint(job_id, attempt, digest)
        if answer == "lost":
            raise LeaseLost("another attempt owns the job")
        return answer == "kept"

    def _end(self, job: Job, run: Run, ending: Ending) -> None:
        if ending.state == "lost":
            log.warning("the job belongs to another attempt now")
            return
        self._lease.publish()
        if ending.state == "broken":
            self._lose(job, ending.reason)
        elif ending.state == "waiting":
            children = list(ending.children)
            self._jobs.wait(job.id, job.attempt, ending.reason, children, run.progress)
        elif ending.state in ("released", "continued"):
            self._jobs.release(job.id, job.attempt, ending.reason, ending.state)
        else:
            self._jobs.finish_many([end_of(job, run, ending)])
            self._note([run])

    def _lose(self, job: Job, reason: str) -> None:
        """Let others have a job, as if this process had died of it."""
        self._broken = reason
        bury(self._jobs, job, self._send, max_attempts=self._settings.max_attempts, reason=reason)

    def _note(self, runs: list[Run]) -> None:
        """Take down how long the plans of some runs took, to be told when the turn is over."""
        for run in runs:
            self._measured.update(measured.numbers(run.plan))

    def _tell(self) -> None:
        numbers, self._measured = self._measured, Counter()
        if numbers:
            try:
                self._statistics.add(numbers)
            except REDIS_AWAY as error:
                log.warning("how long plans took is not counted: %s", error)


def _about(job: Job) -> AbstractContextManager[None]:
    return logs.about(job=job.id, attempt=job.attempt, tenant=job.tenant, trace=job.trace)
