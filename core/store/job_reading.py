"""Reading job records: one, pages of them, counts and events."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Self

from core.errors import NotFound
from core.store.base import RedisStore
from core.store.job_records import (
    Attempt,
    Event,
    Job,
    Page,
    from_record,
    parse_attempt,
    parse_event,
)
from core.store.states import STATES, State
from core.store.tenants import DEFAULT, space

_PAGE_SCAN = 500


class JobReader(RedisStore):
    """Finds, lists and counts jobs.

    By itself it finds those of all tenants. What `of` returns finds those of one tenant only.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.
    """

    _tenant: str | None = None

    def of(self, tenant: str | None) -> Self:
        """Return a store, with the same connection, to which other tenants' jobs do not exist.

        Of None it is that of all tenants.
        """
        store = copy.copy(self)
        store._tenant = tenant  # noqa: SLF001 - its own class
        return store

    def get(self, job_id: str) -> Job:
        """Return the record of ``job_id``, or raise `NotFound`."""
        record: dict[str, str] = self._redis.hgetall(self._key(job_id))
        if not record or self._tenant not in (None, record.get("tenant", DEFAULT)):
            raise unknown(job_id)
        return from_record(record)

    def begun_many(self, job_id: str, names: Sequence[str]) -> dict[str, Job]:
        """Return the jobs that ``job_id`` has begun under some names, in two round trips."""
        children = self._redis.hmget(self._key(job_id, "children"), list(names))
        begun = {name: child for name, child in zip(names, children, strict=True) if child}
        pipeline = self._redis.pipeline(transaction=False)
        for child in begun.values():
            pipeline.hgetall(self._key(str(child)))
        records = zip(begun, pipeline.execute(), strict=True)
        return {name: from_record(record) for name, record in records if record}

    def refers(self, job_id: str, digest: str) -> bool:
        """Tell whether an artifact is kept for the job: an input, for example."""
        return bool(self._redis.sismember(self._key(job_id, "artifacts"), digest))

    def attempts(self, job_id: str) -> list[Attempt]:
        """Return the attempts at the job, first first."""
        entries: list[str] = self._redis.lrange(self._key(job_id, "attempts"), 0, -1)
        return [parse_attempt(json.loads(entry)) for entry in entries]

    def page(
        self,
        *,
        state: State | None = None,
        kind: str | None = None,
        label: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Return a page of jobs, newest first, that match all given filters.

        They are those of this tenant or, by default, of all: ids begin with the time, so that the
        newest of some are the newest of all.
        """
        wanted = (("state", state), ("kind", kind), ("label", label))
        filters = [f":{name}:{value}" for name, value in wanted if value]
        ids = [
            job_id
            for first in self._spaces()
            for job_id in self._matching(f"{first}:jobs", filters, limit + 1, cursor)
        ]
        found = sorted(ids, reverse=True)
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in found[:limit]:
            pipeline.hgetall(self._key(job_id))
        # A job may have been deleted between the index and the record.
        jobs = [from_record(record) for record in pipeline.execute() if record]
        return Page(jobs, found[limit - 1] if len(found) > limit else None)

    def _matching(
        self, listed: str, filters: Sequence[str], least: int, cursor: str | None
    ) -> list[str]:
        """Return the ids of ``least`` jobs of one list or more, newest first, or of all there are.

        Walks the index of the most selective filter and looks each candidate up in the others,
        so a page costs the same whether there are a hundred jobs or a hundred thousand.
        """
        indexes = [listed + name for name in filters] or [listed]
        pipeline = self._redis.pipeline(transaction=False)
        for index in indexes:
            pipeline.zcard(index)
        walked, *others = (
            index for _, index in sorted(zip(pipeline.execute(), indexes, strict=True))
        )
        found: list[str] = []
        upper = f"({cursor}" if cursor else "+"
        many = _PAGE_SCAN if others else least
        while len(found) < least:
            ids: list[str] = self._redis.zrevrangebylex(walked, upper, "-", start=0, num=many)
            if not ids:
                break
            upper = f"({ids[-1]}"
            for other in others:
                scores: list[float | None] = self._redis.zmscore(other, ids)
                ids = [job for job, score in zip(ids, scores, strict=True) if score is not None]
                if not ids:
                    break
            found += ids
        return found

    def counts(self) -> dict[State, int]:
        """Return the number of jobs in each state, of this tenant or, by default, of all."""
        spaces = self._spaces()
        pipeline = self._redis.pipeline(transaction=False)
        for state in STATES:
            for first in spaces:
                pipeline.zcard(f"{first}:jobs:state:{state}")
        found: list[int] = pipeline.execute()
        width = len(spaces)
        return {state: sum(found[at * width :][:width]) for at, state in enumerate(STATES)}

    def oldest_queued(self) -> float | None:
        """Return when the longest waiting job, of this tenant or by default of all, was created."""
        pipeline = self._redis.pipeline(transaction=False)
        for first in self._spaces():
            pipeline.zrangebylex(f"{first}:jobs:state:queued", "-", "+", start=0, num=1)
        ids: list[str] = [job_id for found in pipeline.execute() for job_id in found]
        return self.get(min(ids)).created if ids else None

    def events(self, job_id: str, after: str = "0") -> list[Event]:
        """Return the job's events with ids greater than ``after``."""
        entries: list[Any] = self._redis.xrange(self.events_key(job_id), f"({after}")
        return [parse_event(entry) for entry in entries]

    def events_key(self, job_id: str) -> str:
        """Return the key of the job's event stream, for those who wait on it."""
        return self._key(job_id, "events")

    def _spaces(self) -> list[str]:
        if self._tenant is not None:
            return [space(self._prefix, self._tenant)]
        tenants = {DEFAULT} | self._redis.smembers(f"{self._prefix}:tenants")
        return [space(self._prefix, tenant) for tenant in sorted(tenants)]

    def _key(self, job_id: str, part: str = "") -> str:
        return f"{self._prefix}:job:{job_id}" + (f":{part}" if part else "")


def unknown(job_id: str) -> NotFound:
    """Return the error that there is no such job."""
    return NotFound("there is no such job (it may have expired)", field="id", given=job_id)
