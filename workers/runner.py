"""Runs jobs from claim to commit."""

from __future__ import annotations

import logging
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core import logs
from core.conv.device import cpu
from core.errors import Cancelled, ConvqError, LeaseLost, StorageFull
from core.jobs import registry
from core.jobs.run import Continued, Drained, Run, Waiting
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.connection import connect
from core.store.ids import new_id
from core.store.jobs import Job, JobStore
from workers.children import Children
from workers.lease import Lease
from workers.waking import wake

log = logging.getLogger(__name__)

T = TypeVar("T")

REDIS_AWAY = (RedisConnectionError, RedisTimeoutError)

# Finished work waits this long for a Redis that is away, or for room on the disk.
_PATIENCE_SECONDS = 600.0

# For so long a worker that was woken takes one job after another. Then Celery has its turn, so that
# a worker that is told to stop does not begin another job.
_TURN_SECONDS = 1.0


@dataclass(frozen=True)
class Ending:
    """How the work of an attempt ended, before it is committed."""

    state: Literal["succeeded", "failed", "cancelled", "released", "continued", "waiting", "lost"]
    error: dict[str, Any] | None = None
    reason: str = ""
    children: tuple[str, ...] = ()


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
    """

    def __init__(
        self, settings: Settings, *, worker: str, pid: int, send: Callable[[], None]
    ) -> None:
        client = connect(settings)
        self._settings = settings
        self._worker = worker
        self._pid = pid
        self._send = send
        self._jobs = JobStore(client, settings.redis_prefix)
        self._artifacts = ArtifactStore(settings.store_url, client, settings.redis_prefix)
        self._device = cpu()

    def run(self) -> None:
        """Run queued jobs, the best first, until there is none or the turn is over."""
        over = time.monotonic() + _TURN_SECONDS
        if not self.step():
            return
        while time.monotonic() < over and self.step():
            pass
        # What is queued is left to others, or to this worker's next turn.
        wake(self._jobs, self._send)

    def step(self) -> bool:
        """Run the best job of the queue; return whether there was one."""
        claim = partial(
            self._jobs.claim,
            worker=self._worker,
            pid=self._pid,
            host=socket.gethostname(),
            lease=self._settings.lease,
            token=new_id(),
            patience=self._settings.patience,
        )
        claimed = _persist(claim)
        for job in claimed:
            with logs.about(job=job.id, attempt=job.attempt, tenant=job.tenant, trace=job.trace):
                self._run(job)
        return bool(claimed)

    def _run(self, job: Job) -> None:
        job_id, attempt = job.id, job.attempt
        artifacts = self._artifacts.of(job.tenant)
        with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
            run = Run(
                artifacts=artifacts,
                device=self._device,
                memory_cap=self._settings.memory_cap,
                scratch=Path(scratch),
                total=job.progress.total,
                max_pixels=self._settings.max_pixels,
                resumes_from=job.checkpoint,
                keep=lambda digest: self._keep(job_id, attempt, digest),
                continue_after=self._settings.continue_after,
                full_patience=_PATIENCE_SECONDS,
                children=Children(
                    self._jobs,
                    artifacts,
                    job_id,
                    attempt,
                    priority=job.priority,
                    device=self._device,
                    memory_cap=self._settings.memory_cap,
                    send=self._send,
                ),
            )
            with Lease(self._jobs, job_id, attempt, run, seconds=self._settings.lease) as lease:
                log.info("job begins", extra={"kind": job.kind})
                ending = self._work(job, run)
                _persist(lambda: self._end(job_id, attempt, run, ending, lease))
            log.info(
                "job ends", extra={"state": ending.state, "code": (ending.error or {}).get("code")}
            )

    def _keep(self, job_id: str, attempt: int, digest: str) -> bool:
        answer = self._jobs.checkpoint(job_id, attempt, digest)
        if answer == "lost":
            raise LeaseLost("another attempt owns the job")
        return answer == "kept"

    def _end(self, job_id: str, attempt: int, run: Run, ending: Ending, lease: Lease) -> None:
        if ending.state == "lost":
            log.warning("the job belongs to another attempt now")
            return
        lease.publish()
        if ending.state == "waiting":
            self._jobs.wait(job_id, attempt, ending.reason, list(ending.children))
        elif ending.state in ("released", "continued"):
            self._jobs.release(job_id, attempt, ending.reason, ending.state)
        else:
            self._commit(job_id, attempt, run, ending)

    def _work(self, job: Job, run: Run) -> Ending:
        try:
            kind = registry.by_name(job.kind)
            kind.run(kind.spec.model_validate(documents.read(run.artifacts, job.spec)), run)
        except Cancelled:
            return Ending("cancelled")
        except Drained:
            return Ending("released", reason="the worker was asked to stop")
        except Continued:
            return Ending("continued", reason="it runs in pieces; this one was over")
        except Waiting as waiting:
            return Ending("waiting", reason=waiting.message, children=tuple(waiting.children))
        except LeaseLost:
            return Ending("lost")
        except ConvqError as error:
            return Ending("failed", error.to_dict())
        except REDIS_AWAY:
            return Ending("released", reason="Redis went away")
        except MemoryError:
            return Ending(
                "failed", {"code": "out_of_memory", "message": "the worker ran out of memory"}
            )
        except Exception:  # whatever a kind gets wrong must not take the worker with it
            log.exception("job %s failed by a defect", job.id)
            return Ending(
                "failed",
                {
                    "code": "internal",
                    "message": "a defect in convq stopped the job; the worker's log has details",
                },
            )
        if run.failures and not run.results:
            return Ending("failed", _all_failed(run.failures))
        return Ending("succeeded")

    def _commit(self, job_id: str, attempt: int, run: Run, ending: Ending) -> None:
        assert ending.state in ("succeeded", "failed", "cancelled")
        results = documents.write(run.artifacts, {"results": run.results, "failures": run.failures})
        plan = None if run.plan is None else documents.write(run.artifacts, run.plan)
        kept = {entry["digest"] for entry in run.results}
        kept |= {text for text in (results, plan) if text and documents.is_artifact(text)}
        self._jobs.finish(
            job_id,
            attempt,
            ending.state,
            progress=run.progress,
            timings=run.timings,
            results=results,
            plan=plan,
            error=ending.error,
            artifacts=tuple(sorted(kept)),
        )


def _all_failed(failures: list[dict[str, Any]]) -> dict[str, Any]:
    first = failures[0]
    return {
        "code": "all_items_failed",
        "message": f"none of the {len(failures)} inputs could be processed; "
        f"the first, {first['name']}: {first['message']}",
    }


def _persist(call: Callable[[], T]) -> T:
    """Call until Redis answers and the disk has room; only for what may be repeated safely."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return call()
        except (*REDIS_AWAY, StorageFull):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
