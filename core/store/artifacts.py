"""Artifacts: immutable bytes named by their SHA-256, in a folder or an object store.

The bytes are in the object store (through obstore: local disk, S3, GCS, Azure); what is known of
them (size, media type, shape, references) is a record in Redis, written after the bytes are safe.
So a crash leaves at worst a file without a record, which `core.store.garbage` removes, and never a
record without its file.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import logging
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

import anyio
import redis

from core.errors import ConvqError, IntegrityError, InvalidInput, NotFound
from core.store.connection import Scripts
from core.store.files import Files
from core.store.packs import keys_in, new_pack
from core.store.stored import check_room
from core.store.tenants import DEFAULT

log = logging.getLogger(__name__)

_DIGEST_HEX = 64
# Artifacts that one script binds: a few milliseconds, in which Redis serves nobody else.
_AT_ONCE = 1000
# What is smaller is read as a whole: a file that is mapped costs more.
_READ_WHOLE = 1 << 20


@dataclass(frozen=True)
class Artifact:
    """What is known of stored bytes.

    Attributes
    ----------
    digest : str
        ``"sha256:"`` and 64 hexadecimal digits.
    size : int
        Bytes.
    media_type : str
        For example ``"image/png"``; found by content.
    shape, dtype : tuple of int, str, optional
        Of the array that the bytes hold, where they hold one.
    key : str
        The name of its file in the store; empty before it has one.
    placed : str
        By which the store tells whether that is still the file that was placed there.
    """

    digest: str
    size: int
    media_type: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    key: str = field(default="", repr=False)
    placed: str = field(default="", repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the public part as JSON-ready data."""
        return {
            "digest": self.digest,
            "size": self.size,
            "media_type": self.media_type,
            "shape": None if self.shape is None else list(self.shape),
            "dtype": self.dtype,
        }


class ArtifactStore:
    """Stores, finds and serves the artifacts of one tenant, the default one unless `of` is used.

    Equal bytes are stored once, but a tenant finds only what it stored itself or what a job of its
    own made: knowing a digest gives nothing. Bytes are verified before they are given away: what is
    damaged is reported, noted, and replaced when somebody uploads it again.

    Parameters
    ----------
    url : str
        A folder, or an ``s3://``, ``gs://`` or ``az://`` URL.
    client : redis.Redis
        For the records.
    prefix : str
        First part of every Redis key.

    Attributes
    ----------
    files : Files
        Where the bytes lie.
    """

    def __init__(self, url: str, client: redis.Redis, prefix: str = "convq") -> None:
        # redis-py types every answer as possibly awaitable.
        self._redis: Any = client
        self._scripts = Scripts(client, prefix)
        self._prefix = prefix
        self._tenant = DEFAULT
        self.files = Files(url)

    def of(self, tenant: str) -> Self:
        """Return a store, with the same connections, of another tenant's artifacts."""
        store = copy.copy(self)
        store._tenant = tenant  # noqa: SLF001 - its own class
        return store

    def get(self, digest: str) -> Artifact:
        """Return the record of ``digest``, or raise `NotFound`."""
        record: dict[str, str] = self._redis.hgetall(self._record_key(digest))
        if not self._holds(record):
            raise NotFound(
                "there is no such artifact; upload it first", field="digest", given=digest
            )
        return _from_record(digest, record)

    def find(self, digests: Iterable[str]) -> dict[str, Artifact]:
        """Return the records of those of ``digests`` that are stored, in one round trip."""
        asked = list(dict.fromkeys(digests))
        pipeline = self._redis.pipeline(transaction=False)
        for digest in asked:
            pipeline.hgetall(self._record_key(digest))
        return {
            digest: _from_record(digest, record)
            for digest, record in zip(asked, pipeline.execute(), strict=True)
            if self._holds(record)
        }

    def incoming(self) -> AbstractContextManager[Path]:
        """Give the path of a temporary file that `commit` can take over; it is removed after."""
        return self.files.incoming()

    def commit(
        self,
        path: Path,
        digest: str,
        media_type: str,
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
    ) -> tuple[Artifact, bool]:
        """Make the file at ``path`` the artifact ``digest``; return it and whether it is new.

        The bytes are on the disk (or in the object store) before the record says so. What only
        other tenants had is new, too.
        """
        known = self._hold(digest)
        if known in ("new", "held"):
            return self.get(digest), known == "new"
        artifact = self.place(path, described(path, digest, media_type, shape, dtype))
        superfluous: str | None = self._scripts.run("add_artifact", self.request(artifact))
        if superfluous:
            self.files.delete(superfluous)
        return self.get(digest), superfluous != artifact.key

    def place(self, path: Path, artifact: Artifact) -> Artifact:
        """Make the file at ``path`` that of an artifact, safe on the disk; nothing is recorded.

        Parameters
        ----------
        path : Path
            From `incoming`.
        artifact : Artifact
            What `described` returns for it.

        Returns
        -------
        Artifact
            As it is to be recorded by `core.store.jobs.JobStore.finish_many`.
        """
        hexadecimal = artifact.digest.removeprefix("sha256:")
        return replace(artifact, placed=self.files.place(path, artifact.key, hexadecimal))

    def place_together(self, small: Iterable[tuple[Artifact, bytes]]) -> list[Artifact]:
        """Write artifacts into one file, which is synced once; else as `place`."""
        artifacts, contents = zip(*small, strict=True)
        pack = new_pack()
        with self.incoming() as path:
            path.write_bytes(b"".join(contents))
            placed = self.files.place(path, pack)
        keys = keys_in(pack, map(len, contents))
        return [
            replace(artifact, key=key, placed=placed)
            for artifact, key in zip(artifacts, keys, strict=True)
        ]

    def request(self, artifact: Artifact) -> str:
        """Return what the scripts need to record a placed artifact, as JSON."""
        fields: dict[str, Any] = {"size": artifact.size, "media_type": artifact.media_type}
        if artifact.shape is not None:
            fields["shape"] = json.dumps(artifact.shape)
        if artifact.dtype is not None:
            fields["dtype"] = artifact.dtype
        return json.dumps(
            {
                "digest": artifact.digest,
                "key": artifact.key,
                "placed": artifact.placed,
                "fields": fields,
                "tenant": self._tenant,
            }
        )

    def bind(self, digest: str, parts: Iterable[str]) -> None:
        """Keep other artifacts as long as this one: what it consists of.

        Raises
        ------
        NotFound
            The tenant does not hold one of them; ``given`` is its digest. Nothing is lost if some
            are bound by then: it can be done again.
        """
        left = iter(dict.fromkeys(parts))
        while some := list(islice(left, _AT_ONCE)):
            missing = self._scripts.run("bind_artifact", digest, self._tenant, *some)
            if missing:
                raise NotFound(
                    "there is no such artifact; upload it first", field="files", given=missing
                )

    def put(
        self,
        data: bytes,
        media_type: str,
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
    ) -> Artifact:
        """Store ``data`` and return its artifact."""
        digest = digest_of(data)
        if self._hold(digest) in ("new", "held"):
            return self.get(digest)
        with self.incoming() as path:
            path.write_bytes(data)
            return self.commit(path, digest, media_type, shape, dtype)[0]

    def read(self, digest: str) -> bytes:
        """Return the bytes, verified."""
        return self._read(self.get(digest))

    def fetch(self, digest: str, folder: Path) -> Path:
        """Return a local, verified file with the bytes; it must not be changed.

        A local store gives its own file; another is streamed into ``folder``.
        """
        return self.local(self.get(digest), folder)

    def fetch_part(self, digest: str, folder: Path) -> Path:
        """Return what `fetch` does, for a file of which perhaps little is read, and by many jobs.

        One of a local store that was found right within the hour, and has not changed since, is
        not read again as a whole.
        """
        artifact = self.get(digest)
        if self.files.root:
            path = self.files.root / artifact.key
            if path.is_file():
                self._check(artifact)
                return path
        return self.local(artifact, folder)

    def local(self, artifact: Artifact, folder: Path) -> Path:
        """Return what `fetch` does for an artifact whose record is known."""
        try:
            path = self.files.path(artifact.key)
            if path is None:
                path = folder / artifact.digest.removeprefix("sha256:")
                if not path.exists():
                    self.files.copy(artifact.key, path)
            with path.open("rb") as file:
                found = digest_of_file(file)
        except FileNotFoundError:
            raise self._damaged(artifact) from None
        if found != artifact.digest:
            raise self._damaged(artifact)
        return path

    def content(self, artifact: Artifact, folder: Path) -> bytes | Path:
        """Return the verified bytes of a small artifact, or what `local` does for a large one."""
        if artifact.size <= _READ_WHOLE:
            return self._read(artifact)
        return self.local(artifact, folder)

    @contextmanager
    def open(self, digest: str) -> Iterator[BinaryIO]:
        """Open the bytes for a look here and there.

        A file of a local store is verified as a whole first. From an object store, which sees to
        that itself, only what is read is transferred.
        """
        artifact = self.get(digest)
        if self.files.root:
            self._check(artifact)
        try:
            with self.files.open(artifact.key, artifact.size) as file:
                yield file
        except FileNotFoundError:
            raise self._damaged(artifact) from None

    async def stream(self, artifact: Artifact, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to ``end`` in pieces of constant size.

        Raises
        ------
        IntegrityError
            The bytes of the artifact, not only those asked for, are damaged; before the first.
        """
        await anyio.to_thread.run_sync(self._check, artifact)
        async for piece in self.files.stream(artifact.key, start, end):
            yield piece

    def check_room(self, more: int, most: int, most_of_tenant: int) -> None:
        """Raise QuotaFull if ``more`` bytes would exceed what is stored at most."""
        check_room(self._redis, self._prefix, self._tenant, more, most, most_of_tenant)

    def check_writable(self) -> None:
        """Write and delete a small file, or raise the store's error."""
        self.files.check_writable()

    def _read(self, artifact: Artifact) -> bytes:
        try:
            data = self.files.read(artifact.key)
        except FileNotFoundError:
            raise self._damaged(artifact) from None
        if digest_of(data) != artifact.digest:
            raise self._damaged(artifact)
        return data

    def _check(self, artifact: Artifact) -> None:
        hexadecimal = artifact.digest.removeprefix("sha256:")
        if not self.files.is_intact(artifact.key, hexadecimal, artifact.placed):
            raise self._damaged(artifact)

    def _damaged(self, artifact: Artifact) -> ConvqError:
        """Note that the bytes are not there as they should be, and return the error to raise."""
        if not self._scripts.run("note_damage", artifact.digest, artifact.key):
            # Deleted, or replaced, since the record was read.
            return NotFound(
                "there is no such artifact any more; upload it again",
                field="digest",
                given=artifact.digest,
            )
        log.error("artifact %s is missing or damaged", artifact.digest)
        return IntegrityError(
            "the stored bytes are missing or damaged; upload the file again",
            field="digest",
            given=artifact.digest,
        )

    def _hold(self, digest: str) -> Literal["new", "held", "damaged"] | None:
        """Let the tenant, who has the bytes at hand, hold the artifact; None if it is not stored.

        Counts it as used now, so that retention starts anew. One that is damaged needs the bytes.
        """
        outcome: Literal["new", "held", "damaged"] | None = self._scripts.run(
            "hold_artifact", parse_digest(digest), self._tenant
        )
        return outcome

    def _holds(self, record: dict[str, str]) -> bool:
        if f"tenant:{self._tenant}" in record:
            return True
        # What was stored before there were tenants is the default one's.
        legacy = bool(record) and not any(name.startswith("tenant:") for name in record)
        return legacy and self._tenant == DEFAULT

    def _record_key(self, digest: str) -> str:
        return f"{self._prefix}:artifact:{parse_digest(digest)}"


def damaged(client: redis.Redis, prefix: str = "convq") -> int:
    """Return how many artifacts were found damaged and were not uploaded again since."""
    return int(client.hlen(f"{prefix}:damaged"))


def digest_of(data: bytes) -> str:
    """Return ``"sha256:…"`` of the bytes.

    Examples
    --------
    >>> digest_of(b"")[:15]
    'sha256:e3b0c442'
    """
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def digest_of_file(file: io.BufferedReader) -> str:
    """Return ``"sha256:…"`` of an open file, read in constant memory."""
    return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def parse_digest(text: str) -> str:
    """Return ``text`` if it is a digest, else raise `InvalidInput`."""
    hexadecimal = text.removeprefix("sha256:")
    if len(text) != len("sha256:") + _DIGEST_HEX or set(hexadecimal) - set("0123456789abcdef"):
        raise InvalidInput(
            "not a digest",
            field="digest",
            given=text,
            accepted='"sha256:" and 64 lower-case hexadecimal digits',
        )
    return text


def described(
    path: Path,
    digest: str,
    media_type: str,
    shape: tuple[int, ...] | None = None,
    dtype: str | None = None,
) -> Artifact:
    """Return the artifact that the file at ``path``, of this digest, is to become."""
    hexadecimal = digest.removeprefix("sha256:")
    # The nonce lets a sweep delete a forgotten file while the same bytes are uploaded again.
    key = f"sha256/{hexadecimal[:2]}/{hexadecimal}.{secrets.token_hex(4)}"
    return Artifact(digest, path.stat().st_size, media_type, shape, dtype, key)


def _from_record(digest: str, record: dict[str, str]) -> Artifact:
    shape = record.get("shape")
    return Artifact(
        digest=digest,
        size=int(record["size"]),
        media_type=record["media_type"],
        shape=None if shape is None else tuple(json.loads(shape)),
        dtype=record.get("dtype"),
        key=record["key"],
        placed=record.get("placed", ""),
    )
