"""Garbage: artifacts that nothing needs any more, found by mark and sweep.

The records of all jobs, models and groups of boxes say which artifacts they refer to (mark), and so
do those of artifacts that others are bound to, as the chunks of an array are to its listing. An
artifact that none of them names, whose own count of references is zero too, and that nobody used
for some time, is deleted (sweep). The mark takes a while and the world goes on meanwhile; but
whoever refers to an artifact also notes that it is used now, and what was used since the mark began
is left alone. The records and the counts would have to be wrong at once for something that is
needed to go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import redis

from core.errors import Conflict
from core.store.artifacts import ArtifactStore
from core.store.connection import Scripts, server_ms
from core.store.packs import FOLDER, file_of
from core.store.tenants import DEFAULT, space

_PAGE: Final = 1000
# The folders of the files that records name.
_STORED: Final = ("sha256/", FOLDER)


@dataclass(frozen=True)
class Collected:
    """What a collection deleted, or would delete.

    Attributes
    ----------
    records : int
        Artifacts looked at.
    referred : int
        Those that a job, a model or a group of boxes refers to.
    artifacts, strays : int
        Artifacts that nothing needs; files that no record names.
    freed : int
        Bytes of both.
    missing : tuple of str
        Artifacts whose file is not there: noted as damaged, so that an upload replaces them.
    miscounted : tuple of str
        Artifacts that nothing refers to but are said to be referred to, or the reverse. They are
        kept.
    """

    records: int
    referred: int
    artifacts: int
    strays: int
    freed: int
    missing: tuple[str, ...]
    miscounted: tuple[str, ...]


class Garbage:
    """Finds and deletes what nothing needs, of all tenants.

    Parameters
    ----------
    artifacts : ArtifactStore
        Any tenant's.
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every Redis key.
    """

    def __init__(
        self, artifacts: ArtifactStore, client: redis.Redis, prefix: str = "convq"
    ) -> None:
        self._files = artifacts.files
        # redis-py types every answer as possibly awaitable.
        self._redis: Any = client
        self._prefix = prefix
        self._scripts = Scripts(client, prefix)

    def sweep(self, age: float, limit: int = _PAGE) -> int:
        """Delete artifacts that nothing refers to and nobody used for ``age`` seconds.

        Looks at the ``limit`` that were not used for longest, and at the records of all jobs only
        if one of these may go.

        Returns
        -------
        int
            How many were deleted.
        """
        before = server_ms(self._redis) - round(age * 1000)
        candidates: list[str] = self._redis.zrange(
            f"{self._prefix}:artifacts", "-inf", before, byscore=True, offset=0, num=limit
        )
        counts = self._counts(candidates)
        marked = self.mark() if any(count <= 0 for count in counts.values()) else Counter[str]()
        return sum(
            self._drop(digest, before, is_marked=bool(marked[digest])) for digest in candidates
        )

    def collect(self, age: float, *, dry_run: bool = False) -> Collected:
        """Look at every record and every file, and delete what nothing needs.

        Parameters
        ----------
        age : float
            In seconds; what was used or written later is left alone.
        dry_run : bool
            Only say what would be deleted.

        Raises
        ------
        Conflict
            The store has files and none is in the records: those of another store, or lost.
        """
        before = server_ms(self._redis) - round(age * 1000)
        written_before = datetime.now(UTC) - timedelta(seconds=age)
        marked = self.mark()
        files = {file.key: file for file in self._files.listed()}
        records = self._records()
        unused: list[str] = self._redis.zrange(
            f"{self._prefix}:artifacts", "-inf", before, byscore=True
        )
        named = {file_of(key) for key, _ in records.values()}
        _check_same_store(files, named)
        free = [
            digest
            for digest in unused
            if digest in records and not marked[digest] and records[digest][1] <= 0
        ]
        strays = [
            file.key
            for file in files.values()
            if file.modified < written_before and file.key not in named
        ]
        if not dry_run:
            free = [digest for digest in free if self._drop(digest, before, is_marked=False)]
            strays = [key for key in strays if self._delete_stray(key)]
        kept = {file_of(records[digest][0]) for digest in records.keys() - set(free)}
        gone = {file_of(records[digest][0]) for digest in free} - kept | set(strays)
        return Collected(
            records=len(records),
            referred=sum(bool(marked[digest]) for digest in records),
            artifacts=len(free),
            strays=len(strays),
            freed=sum(files[key].size for key in gone if key in files),
            missing=tuple(self._missing(records, set(files), dry_run=dry_run)),
            miscounted=self._miscounted(unused, records, marked),
        )

    def mark(self) -> Counter[str]:
        """Return how many records refer to each artifact."""
        marked: Counter[str] = Counter()
        tenants = {DEFAULT, *self._redis.smembers(f"{self._prefix}:tenants")}
        for tenant in sorted(tenants):
            own = space(self._prefix, tenant)
            for ids in _pages(self._members(f"{own}:jobs")):
                marked.update(self._of_jobs(ids))
            for name in self._members(f"{own}:models"):
                model = f"{own}:model:{name}"
                for numbers in _pages(self._members(f"{model}:versions")):
                    marked.update(self._of_sets(f"{model}:version:{n}:artifacts" for n in numbers))
            groups = self._members(f"{own}:edge:groups")
            marked.update(self._of_sets(f"{own}:edge:group:{g}:artifacts" for g in groups))
        bound = self._redis.smembers(f"{self._prefix}:bound")
        marked.update(self._of_sets(f"{self._prefix}:artifact:{digest}:parts" for digest in bound))
        return marked

    def _of_jobs(self, ids: list[str]) -> list[str]:
        pipeline = self._redis.pipeline(transaction=False)
        for job_id in ids:
            pipeline.hget(f"{self._prefix}:job:{job_id}", "checkpoint")
        checkpoints = [digest for digest in pipeline.execute() if digest]
        return checkpoints + self._of_sets(f"{self._prefix}:job:{i}:artifacts" for i in ids)

    def _of_sets(self, keys: Iterator[str]) -> list[str]:
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.smembers(key)
        return [digest for found in pipeline.execute() for digest in found]

    def _members(self, key: str) -> Iterator[str]:
        # A scan finds whatever is there from its beginning to its end.
        for member, _ in self._redis.zscan_iter(key, count=_PAGE):
            yield member

    def _counts(self, digests: list[str]) -> dict[str, int]:
        pipeline = self._redis.pipeline(transaction=False)
        for digest in digests:
            pipeline.hget(f"{self._prefix}:artifact:{digest}", "refs")
        return {
            digest: int(count or 0)
            for digest, count in zip(digests, pipeline.execute(), strict=True)
        }

    def _records(self) -> dict[str, tuple[str, int]]:
        """Return the key of the file and the count of references of every artifact."""
        found = {}
        for digests in _pages(self._members(f"{self._prefix}:artifacts")):
            pipeline = self._redis.pipeline(transaction=False)
            for digest in digests:
                pipeline.hmget(f"{self._prefix}:artifact:{digest}", "key", "refs")
            for digest, (key, count) in zip(digests, pipeline.execute(), strict=True):
                if key is not None:
                    found[digest] = (key, int(count))
        return found

    def _miscounted(
        self, unused: list[str], records: dict[str, tuple[str, int]], marked: Counter[str]
    ) -> tuple[str, ...]:
        suspects = [d for d in unused if d in records and bool(marked[d]) != (records[d][1] > 0)]
        if not suspects:
            return ()
        # Jobs may have been deleted between the mark and the counts; what is wrong stays wrong.
        again, counts = self.mark(), self._counts(suspects)
        return tuple(d for d in suspects if bool(again[d]) != (counts[d] > 0))

    def _missing(
        self, records: dict[str, tuple[str, int]], keys: set[str], *, dry_run: bool
    ) -> Iterator[str]:
        for digest, (key, _) in records.items():
            # The files were listed before the records were read: those that came in between are
            # looked for by themselves.
            if file_of(key) in keys or self._files.exists(key):
                continue
            if dry_run or self._scripts.run("note_damage", digest, key):
                yield digest

    def _drop(self, digest: str, before: int, *, is_marked: bool) -> bool:
        file: str | None = self._scripts.run("drop_artifact", digest, before, int(is_marked))
        if file:
            self._files.delete(file)
        return file is not None

    def _delete_stray(self, key: str) -> bool:
        # Once more, as the list of records is some time old.
        if self._is_named(key):
            return False
        self._files.delete(key)
        return True

    def _is_named(self, key: str) -> bool:
        if key.startswith(FOLDER):
            return bool(self._redis.hexists(f"{self._prefix}:packs", key))
        hexadecimal = key.rsplit("/", 1)[-1].partition(".")[0]
        record = f"{self._prefix}:artifact:sha256:{hexadecimal}"
        return bool(self._redis.hget(record, "key") == key)


def _check_same_store(files: Iterable[str], named: set[str]) -> None:
    stored = [key for key in files if key.startswith(_STORED)]
    if stored and named.isdisjoint(stored):
        raise Conflict(
            "no file of this store is in the records, so nothing of it is deleted",
            given=f"{len(stored)} files, {len(named)} records",
            accepted="the Redis and the store of one service; delete the files of lost records "
            "yourself",
        )


def _pages(members: Iterable[str]) -> Iterator[list[str]]:
    left = iter(members)
    while page := list(islice(left, _PAGE)):
        yield page
