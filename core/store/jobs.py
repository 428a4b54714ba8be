"""The job records: the truth about every job.

A Celery message is only a wake-up. Whoever is awake claims the best queued job here, renews the
claim while it works, and commits only if the claim still holds. Every transition is one Lua script,
so it happens wholly or not at all, with the server's clock.

States::

    queued ──claim──> running ──finish──> succeeded | failed | cancelled
       │ ^               │
       │ └──── lease expired, worker drains, long job continued
       └──cancel──> cancelled          failed | cancelled ──retry──> queued

A job may begin others, its children, and wait for them without a worker: ``running ──wait──>
waiting``, and ``queued`` again when the last of them has ended.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import redis

from core import needs, queue
from core.errors import Conflict, ConvqError, InvalidInput, LeaseLost, NotFound, QueueFull
from core.store.connection import server_ms
from core.store.ids import new_id
from core.store.job_reading import JobReader, unknown
from core.store.job_records import (
    Attempt,
    Boxes,
    End,
    Event,
    Finished,
    Job,
    Limits,
    NewJob,
    Page,
    Place,
    Progress,
    Recorded,
    from_record,
    parse_event,
)
from core.store.states import TERMINAL, State
from core.store.stored import no_room
from core.store.tenants import DEFAULT

__all__ = [
    "AT_ONCE",
    "Attempt",
    "Boxes",
    "End",
    "Event",
    "Finished",
    "Job",
    "JobStore",
    "Limits",
    "NewJob",
    "Page",
    "Place",
    "Progress",
    "Recorded",
    "parse_event",
]

_IDEMPOTENCY_MS = 24 * 3600 * 1000
AT_ONCE = 100
"""Jobs that one script records: a few milliseconds, in which Redis serves nobody else."""

# What stands for the offers of a worker that takes every job.
_ANYTHING = ("", "", "")
# A queue that is full is still full in a moment, but perhaps not after this.
_FULL_SECONDS = 5.0


class JobStore(JobReader):
    """Reads and changes job records.

    By itself it finds every job by its id, as workers need, lists and counts those of all tenants,
    and submits those of the default one. What `of` returns finds, lists, counts and submits the
    jobs of one tenant only.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.
    """

    # -- submitting -------------------------------------------------------------------------

    def submit(
        self, *, kind: str, spec: str, artifacts: Sequence[str] = (), **others: Any
    ) -> tuple[Job, bool]:
        """Record a new queued job; return it and whether it is new.

        Parameters
        ----------
        kind, spec, artifacts, **others
            The fields of a `NewJob`.

        Raises
        ------
        LeaseLost
            The attempt that begins this job does not own its own any more.
        NotFound
            An artifact does not exist.
        InvalidInput
            The idempotency key was used for another request.
        """
        new = NewJob(kind=kind, spec=spec, artifacts=tuple(artifacts), **others)
        (answer,), _ = self.submit_many([new])
        if isinstance(answer, ConvqError):
            raise answer
        return answer

    def submit_many(self, new: Sequence[NewJob], limits: Limits | None = None) -> Recorded:
        """Record new queued jobs, each wholly or not at all, in one round trip.

        Parameters
        ----------
        new : sequence of NewJob
            What to record.
        limits : Limits, optional
            How many jobs may be queued; without them any number.

        Returns
        -------
        Recorded
            Its answers hold the errors that `submit` raises, and `QueueFull`.
        """
        limits = limits or Limits()
        records = [self._record(job) for job in new]
        messages = queue.messages_key(self._prefix)
        calls = []
        for first in range(0, len(new), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            # Jobs that are alike have one plan, which is most of a small job's record.
            plans: dict[str, int] = {}
            for job in new[some]:
                if job.plan:
                    plans.setdefault(job.plan, len(plans) + 1)
            requests = [
                _compact(self._request(job, record, plans))
                for job, record in zip(new[some], records[some], strict=True)
            ]
            calls.append((_IDEMPOTENCY_MS, messages, *limits, len(plans), *plans, *requests))
        answers: list[tuple[Job, bool] | ConvqError] = []
        missing = 0
        for now, count, *found in self._scripts.run_each("submit", calls):
            missing = count
            for outcome, value in zip(found[::2], found[1::2], strict=True):
                at = len(answers)
                if outcome == "full":
                    most = limits.queued_of_tenant if value else limits.queued
                    answers.append(_full(value, most))
                elif outcome == "crowded":
                    most = limits.stored_of_tenant if value else limits.stored
                    answers.append(no_room(value, most))
                else:
                    answers.append(self._answer(new[at], records[at], outcome, value, now))
        return Recorded(answers, missing)

    def _record(self, new: NewJob) -> dict[str, str]:
        fields = {
            "id": new_id(),
            "kind": new.kind,
            "priority": new.priority,
            "spec": new.spec,
            "plan": new.plan,
            "label": new.label,
            "alike": new.alike,
            "group": new.boxes.group if new.boxes else None,
            "model": new.boxes.model if new.boxes else None,
            "needs": needs.token(new.needs, new.device),
            "trace": new.trace,
            "span": new.span,
            "progress": json.dumps({"total": new.total}),
        }
        return {name: value for name, value in fields.items() if value}

    def _request(
        self, new: NewJob, record: dict[str, str], plans: dict[str, int]
    ) -> dict[str, Any]:
        parent, attempt, place = new.begun_by or ("", 0, "")
        return {
            "id": record["id"],
            "idem": new.idempotency_key,
            "fingerprint": new.fingerprint,
            "record": {name: text for name, text in record.items() if name != "plan"},
            "plan": plans[new.plan] if new.plan else 0,
            "parent": parent,
            "attempt": str(attempt),
            "place": place,
            "tenant": self._tenant or "",
            "artifacts": new.artifacts,
        }

    def _answer(
        self, new: NewJob, record: dict[str, str], outcome: str, value: str, now: int
    ) -> tuple[Job, bool] | ConvqError:
        if outcome == "lost":
            return LeaseLost("another attempt owns the job", given=value)
        if outcome == "missing":
            return NotFound("there is no such artifact; upload it first", given=value)
        if outcome == "conflict":
            return InvalidInput(
                "this key was used for another request",
                field="Idempotency-Key",
                given=new.idempotency_key,
                accepted="a new key, or the same request again",
            )
        if outcome != "created" or new.begun_by is not None:
            return self.get(value), outcome != "exists"
        # As the script has just written it.
        written = {"tenant": self._tenant or DEFAULT, "state": "queued", "attempt": "0"}
        return from_record(record | written | {"created": str(now), "queued": str(now)}), True

    # -- running ----------------------------------------------------------------------------

    def claim(
        self,
        *,
        worker: str,
        pid: int,
        lease: float,
        host: str = "",
        token: str | None = None,
        patience: float = math.inf,
        most: int = 1,
        boxes: Boxes | None = None,
        offers: needs.Offers | None = None,
    ) -> list[Job]:
        """Claim the best queued job, and others that can be run together with it.

        Nothing is claimed while the queue is paused, or by a worker that drains.

        Parameters
        ----------
        worker : str
            Who will run them.
        pid, host : int, str
            The process that does the work, and its machine.
        lease : float
            Seconds that the claim lasts without being renewed.
        token : str, optional
            Names this claim: who asks again with the same token gets the same answer.
        patience : float
            Seconds after which a job takes turns with those of a higher priority.
        most : int
            How many jobs to claim together.
        boxes : Boxes, optional
            Which boxes of this tenant the worker is one of; it gets no jobs but theirs.
        offers : core.needs.Offers, optional
            What the worker has for a job; it gets none that needs more.

        Returns
        -------
        list of Job
            The best one first; empty when none is queued.
        """
        bound = "inf" if patience == math.inf else _ms(patience)
        records = self._scripts.run(
            "claim",
            *(worker, pid, host, _ms(lease), token or new_id(), bound, most),
            *(offers or _ANYTHING),
            *(() if boxes is None else (self._tenant or DEFAULT, *boxes)),
        )
        return [from_record(dict(zip(flat[::2], flat[1::2], strict=True))) for flat in records]

    def renew(
        self, job_id: str, attempt: int, *, lease: float, progress: Progress | None = None
    ) -> Literal["ok", "cancel", "drain", "lost"]:
        """Renew the claim, note progress, and learn what is asked of the worker."""
        return self.renew_many([(job_id, attempt, progress)], lease=lease)[0]

    def renew_many(
        self, claims: Sequence[tuple[str, int, Progress | None]], *, lease: float
    ) -> list[Literal["ok", "cancel", "drain", "lost"]]:
        """Do what `renew` does for several claims, each a job's id, attempt and progress."""
        calls = [
            (job_id, attempt, _ms(lease), _told(progress)) for job_id, attempt, progress in claims
        ]
        return self._scripts.run_each("renew", calls)

    def finish(
        self,
        job_id: str,
        attempt: int,
        state: Literal["succeeded", "failed", "cancelled"],
        **details: Any,
    ) -> bool:
        """Commit the end of an attempt; False (and nothing changed) if it lost its claim.

        Parameters
        ----------
        job_id, attempt, state, **details
            The fields of an `End`.
        """
        (done,), _ = self.finish_many([End(job_id, attempt, state, **details)])
        return done

    def finish_many(self, ends: Sequence[End], stored: Sequence[str] = ()) -> Finished:
        """Commit the ends of attempts, each for itself, in one script.

        Parameters
        ----------
        ends : sequence of End
            What to commit.
        stored : sequence of str
            Artifacts to be recorded before that, as `core.store.artifacts.ArtifactStore.request`
            returns them.

        Raises
        ------
        redis.ResponseError
            One of them could not be committed; the others are.
        """
        requests = (
            {
                "id": end.job_id,
                "attempt": str(end.attempt),
                "state": end.state,
                "reason": end.error["message"] if end.error else "",
                "fields": _ended_fields(end),
                "artifacts": end.artifacts,
            }
            for end in ends
        )
        unnamed, *outcomes = self._scripts.run(
            "finish", len(stored), *stored, *map(_compact, requests)
        )
        for outcome in outcomes:
            if outcome not in (0, 1):
                raise redis.ResponseError(outcome)
        return Finished([outcome == 1 for outcome in outcomes], unnamed)

    def checkpoint(
        self, job_id: str, attempt: int, digest: str
    ) -> Literal["kept", "missing", "lost"]:
        """Let the job go on from the artifact ``digest`` if it is begun again.

        Returns
        -------
        {"kept", "missing", "lost"}
            ``missing``: there is no such artifact; ``lost``: another attempt owns the job.
        """
        answer: Literal["kept", "missing", "lost"] = self._scripts.run(
            "checkpoint", job_id, attempt, digest
        )
        return answer

    def report(self, job_id: str, attempt: int, metrics: str, *, lasts: bool) -> bool:
        """Publish metrics (JSON text) as an event; False if the claim was lost.

        They are kept as the record's latest. An event that does not last is replaced by the next.
        """
        return bool(self._scripts.run("report", job_id, attempt, metrics, int(lasts)))

    def log(self, job_id: str, attempt: int, lines: Sequence[Mapping[str, Any]]) -> bool:
        """Publish lines of the log as events; False if the claim was lost.

        The last 500 are kept with the job. A line is what `core.logs.line_of` returns.
        """
        texts = (json.dumps(line) for line in lines)
        return bool(self._scripts.run("log", job_id, attempt, *texts))

    def release(
        self,
        job_id: str,
        attempt: int,
        reason: str,
        outcome: Literal["released", "continued"] = "released",
    ) -> bool:
        """Give a claimed job back to the queue; False if the claim was lost."""
        return bool(self._scripts.run("release", job_id, attempt, outcome, reason))

    def wait(
        self,
        job_id: str,
        attempt: int,
        reason: str,
        others: list[str],
        progress: Progress | None = None,
    ) -> bool:
        """Let a claimed job wait until ``others`` have ended; False if the claim was lost."""
        told = _told(progress)
        return bool(self._scripts.run("wait", job_id, attempt, reason, told, *others))

    def abandon(self, job_id: str, attempt: int, *, reason: str, max_attempts: int) -> State | None:
        """End an attempt whose process died; return the job's new state, or None if it lost it."""
        state: State | None = self._scripts.run("abandon", job_id, attempt, reason, max_attempts)
        return state

    def expire(self, *, max_attempts: int, limit: int = 100) -> dict[str, str]:
        """Take jobs from workers that let their lease run out.

        Returns the new states, and in place of one what went wrong.
        """
        moved = self._scripts.run("expire", max_attempts, limit)
        return dict(zip(moved[::2], moved[1::2], strict=True))

    def missing_messages(self, age: float) -> int:
        """Return how many wake-ups jobs lack that have been queued for ``age`` seconds.

        Those that are bound to a kind of device are left out: see `missing_bound`.
        """
        return int(self._scripts.run("due", round(age * 1000), queue.messages_key(self._prefix)))

    def missing_bound(self, on: queue.Kind, offers: needs.Offers) -> int:
        """Return how many wake-ups jobs lack that are bound to a kind of device.

        Parameters
        ----------
        on : {"cpu", "gpu"}
            The kind of device of a worker.
        offers : core.needs.Offers
            What it offers; jobs that need more are left out.
        """
        list_ = queue.messages_key(self._prefix, queue.BOUND[on])
        return int(self._scripts.run("due", 0, list_, *offers))

    def ready(self) -> dict[str, int]:
        """Return how many jobs workers could begin, by the kind of device that they are bound to.

        Returns
        -------
        dict
            Of ``auto`` (any device), ``cpu`` and ``gpu``. Jobs for boxes are not counted.
        """
        return dict(zip(("auto", "cpu", "gpu"), self._scripts.run("ready"), strict=True))

    def pause(self) -> None:
        """Let no worker claim a job until `resume`; those that run go on."""
        self._redis.set(f"{self._prefix}:paused", 1)

    def resume(self) -> None:
        """Let jobs be claimed again."""
        self._redis.delete(f"{self._prefix}:paused")

    def paused(self) -> bool:
        """Tell whether the queue is paused."""
        return bool(self._redis.exists(f"{self._prefix}:paused"))

    def running_on(self, worker: str) -> list[Job]:
        """Return the jobs that ``worker`` runs now."""
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in self._redis.smembers(f"{self._prefix}:running:{worker}"):
            pipeline.hgetall(self._key(job_id))
        return [from_record(record) for record in pipeline.execute() if record]

    # -- what users ask for -----------------------------------------------------------------

    def cancel(self, job_id: str) -> State:
        """Cancel a queued job at once, ask a running one to stop; return the state after.

        Raises
        ------
        NotFound
            There is no such job.
        Conflict
            The job has ended otherwise.
        """
        self._check(job_id)
        state: State | None = self._scripts.run("cancel", job_id)
        if state is None:
            raise unknown(job_id)
        if state in ("succeeded", "failed"):
            raise Conflict(f"the job has {state} already", field="state", given=state)
        return state

    def retry(self, job_id: str) -> None:
        """Queue a failed or cancelled job again.

        Raises
        ------
        NotFound
            There is no such job.
        Conflict
            The job is in another state.
        """
        self._check(job_id)
        done, *state = self._scripts.run("retry", job_id)
        if not done:
            if not state or state[0] is None:
                raise unknown(job_id)
            raise Conflict(
                "only a failed or cancelled job can be tried again",
                field="state",
                given=state[0],
                accepted=["failed", "cancelled"],
            )

    def delete(self, job_id: str) -> None:
        """Delete the record of an ended job; its artifacts go when nothing else needs them.

        Raises
        ------
        NotFound
            There is no such job.
        Conflict
            The job has not ended.
        """
        self._check(job_id)
        outcome = self._scripts.run("delete", job_id)
        if outcome is None:
            raise unknown(job_id)
        if outcome != "deleted":
            raise Conflict(
                "cancel the job first", field="state", given=outcome, accepted=sorted(TERMINAL)
            )

    def sweep(self, age: float, limit: int = 1000) -> int:
        """Delete jobs that ended more than ``age`` seconds ago; return how many."""
        ids: list[str] = self._redis.zrange(
            f"{self._prefix}:ended",
            "-inf",
            server_ms(self._redis) - round(age * 1000),
            byscore=True,
            offset=0,
            num=limit,
        )
        return sum(self._scripts.run("delete", job_id) == "deleted" for job_id in ids)

    def _check(self, job_id: str) -> None:
        """Raise `NotFound` for a job of another tenant; a job never changes its tenant."""
        if self._tenant is not None:
            self.get(job_id)


def _ended_fields(end: End) -> dict[str, str]:
    fields = {
        "progress": json.dumps(end.progress._asdict()),
        "timings": json.dumps(end.timings),
        "results": end.results,
        "plan": end.plan,
        "error": json.dumps(end.error) if end.error else None,
    }
    return {name: text for name, text in fields.items() if text is not None}


def _compact(request: Mapping[str, Any]) -> str:
    return json.dumps(request, separators=(",", ":"))


def _told(progress: Progress | None) -> str:
    return "" if progress is None else json.dumps(progress._asdict())


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _full(tenant: str, most: int) -> QueueFull:
    whose = f"tenant {tenant}" if tenant else "the service"
    return QueueFull(
        f"the queue of {whose} is full; try again when jobs have been run",
        seconds=_FULL_SECONDS,
        field="jobs",
        accepted=f"at most {most} queued jobs",
    )
