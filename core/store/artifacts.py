"""Artifacts: immutable bytes named by their SHA-256, in a folder or an object store.

The bytes are in the object store (through obstore: local disk, S3, GCS, Azure); what is known of
them (size, media type, shape, references) is a record in Redis, written after the bytes are safe.
So a crash leaves at worst a file without a record, which the sweep removes, and never a record
without its file.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self, cast

import obstore
import redis
from obstore.store import LocalStore, ObjectStore, from_url

from core.errors import IntegrityError, InvalidInput, NotFound
from core.store.connection import Scripts, server_ms
from core.store.tenants import DEFAULT

_CHUNK = 1 << 20
_DIGEST_HEX = 64


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
    """

    digest: str
    size: int
    media_type: str
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    key: str = field(default="", repr=False)

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
    own made: knowing a digest gives nothing. The sweeps see the artifacts of all tenants.

    Parameters
    ----------
    url : str
        A folder, or an ``s3://``, ``gs://`` or ``az://`` URL.
    client : redis.Redis
        For the records.
    prefix : str
        First part of every Redis key.
    """

    def __init__(self, url: str, client: redis.Redis, prefix: str = "convq") -> None:
        # redis-py types every answer as possibly awaitable.
        self._redis: Any = client
        self._scripts = Scripts(client, prefix)
        self._prefix = prefix
        self._tenant = DEFAULT
        self._root: Path | None = None
        self._store: ObjectStore
        if "://" in url:
            self._store = from_url(url)
        else:
            self._root = Path(url).absolute()
            (self._root / "incoming").mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(self._root)

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

    def get_many(self, digests: list[str]) -> list[Artifact]:
        """Return the records of all ``digests`` in one round trip, or raise `NotFound`."""
        pipeline = self._redis.pipeline(transaction=False)
        for digest in digests:
            pipeline.hgetall(self._record_key(digest))
        found = []
        for place, (digest, record) in enumerate(zip(digests, pipeline.execute(), strict=True)):
            if not self._holds(record):
                raise NotFound(
                    "there is no such artifact; upload it first",
                    field=f"inputs.{place}",
                    given=digest,
                )
            found.append(_from_record(digest, record))
        return found

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Give the path of a temporary file that `commit` can take over; it is removed after."""
        folder = self._root / "incoming" if self._root else Path(tempfile.gettempdir())
        path = folder / f"convq-{secrets.token_hex(12)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

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
        if known:
            return self.get(digest), known == "new"
        size = path.stat().st_size
        hexadecimal = digest.removeprefix("sha256:")
        # The nonce lets a sweep delete a forgotten file while the same bytes are uploaded again.
        key = f"sha256/{hexadecimal[:2]}/{hexadecimal}.{secrets.token_hex(4)}"
        artifact = Artifact(digest, size, media_type, shape, dtype, key)
        self._place(path, key)
        if self._record(artifact):
            return artifact, True
        self._store.delete(key)  # somebody was quicker
        return self.get(digest), False

    def put(
        self,
        data: bytes,
        media_type: str,
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
    ) -> Artifact:
        """Store ``data`` and return its artifact."""
        digest = digest_of(data)
        if self._hold(digest):
            return self.get(digest)
        with self.incoming() as path:
            path.write_bytes(data)
            return self.commit(path, digest, media_type, shape, dtype)[0]

    def read(self, digest: str) -> bytes:
        """Return the bytes, verified."""
        artifact = self.get(digest)
        data = bytes(self._fetch(artifact))
        if digest_of(data) != digest:
            raise _damaged(digest)
        return data

    def fetch(self, digest: str, folder: Path) -> Path:
        """Return a local, verified file with the bytes; it must not be changed.

        A local store gives its own file; another is streamed into ``folder``.
        """
        artifact = self.get(digest)
        if self._root:
            path = self._root / artifact.key
        else:
            path = folder / digest.removeprefix("sha256:")
            if not path.exists():
                with path.open("wb") as file:
                    for chunk in obstore.get(self._store, artifact.key).stream(_CHUNK):
                        file.write(chunk)
        try:
            with path.open("rb") as file:
                if digest_of_file(file) != digest:
                    raise _damaged(digest)
        except FileNotFoundError:
            raise _damaged(digest) from None
        return path

    @contextmanager
    def open(self, digest: str) -> Iterator[BinaryIO]:
        """Open the bytes for reading here and there, not verified.

        For a look at headers; from an object store only what is read is transferred.
        """
        artifact = self.get(digest)
        try:
            if self._root:
                with (self._root / artifact.key).open("rb") as local:
                    yield local
            else:
                with io.BufferedReader(_Remote(self._store, artifact), _CHUNK) as remote:
                    yield cast("BinaryIO", remote)
        except FileNotFoundError:
            raise _damaged(digest) from None

    async def stream(self, artifact: Artifact, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to ``end`` in pieces of constant size."""
        if start == end:
            return
        response = await obstore.get_async(
            self._store, artifact.key, options={"range": (start, end)}
        )
        async for chunk in response.stream(_CHUNK):
            yield bytes(chunk)

    def sweep(self, age: float, limit: int = 1000) -> int:
        """Delete artifacts that no job refers to and nobody used for ``age`` seconds.

        Returns how many were deleted.
        """
        candidates: list[str] = self._redis.zrange(
            f"{self._prefix}:artifacts",
            "-inf",
            server_ms(self._redis) - round(age * 1000),
            byscore=True,
            offset=0,
            num=limit,
        )
        deleted = 0
        for digest in candidates:
            key = self._scripts.run("drop_artifact", digest, int(age * 1000))
            if key:
                self._store.delete(key)
                deleted += 1
        return deleted

    def sweep_strays(self, age: float) -> int:
        """Delete files older than ``age`` seconds that no record names; return how many.

        They are what a crash between the file and its record, or within an upload, leaves behind.
        """
        before = datetime.now(UTC) - timedelta(seconds=age)
        deleted = 0
        for batch in obstore.list(self._store):
            for entry in batch:
                if entry["last_modified"] < before and not self._is_recorded(entry["path"]):
                    self._store.delete(entry["path"])
                    deleted += 1
        return deleted

    def check_writable(self) -> None:
        """Write and delete a small file, or raise the store's error."""
        key = f"incoming/check-{secrets.token_hex(8)}"
        self._store.put(key, b"convq")
        self._store.delete(key)

    def _hold(self, digest: str) -> Literal["new", "held"] | None:
        """Let the tenant, who has the bytes at hand, hold the artifact; None if it is not stored.

        Counts it as used now, so that retention starts anew.
        """
        outcome: Literal["new", "held"] | None = self._scripts.run(
            "hold_artifact", parse_digest(digest), self._tenant
        )
        return outcome

    def _holds(self, record: dict[str, str]) -> bool:
        if f"tenant:{self._tenant}" in record:
            return True
        # What was stored before there were tenants is the default one's.
        legacy = bool(record) and not any(name.startswith("tenant:") for name in record)
        return legacy and self._tenant == DEFAULT

    def _fetch(self, artifact: Artifact) -> Any:
        try:
            return obstore.get(self._store, artifact.key).bytes()
        except FileNotFoundError:
            raise _damaged(artifact.digest) from None

    def _place(self, path: Path, key: str) -> None:
        if not self._root:
            obstore.put(self._store, key, path)
            return
        # obstore's local put copies and does not sync; a rename of a synced file does neither harm.
        target = self._root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _record(self, artifact: Artifact) -> bool:
        fields = {"size": artifact.size, "media_type": artifact.media_type}
        if artifact.shape is not None:
            fields["shape"] = json.dumps(artifact.shape)
        if artifact.dtype is not None:
            fields["dtype"] = artifact.dtype
        return bool(
            self._scripts.run(
                "add_artifact", artifact.digest, artifact.key, json.dumps(fields), self._tenant
            )
        )

    def _is_recorded(self, key: str) -> bool:
        hexadecimal = key.rsplit("/", 1)[-1].partition(".")[0]
        record = f"{self._prefix}:artifact:sha256:{hexadecimal}"
        return bool(self._redis.hget(record, "key") == key)

    def _record_key(self, digest: str) -> str:
        return f"{self._prefix}:artifact:{parse_digest(digest)}"


class _Remote(io.RawIOBase):
    """An object of an object store as a file, of which each read is a request."""

    def __init__(self, store: ObjectStore, artifact: Artifact) -> None:
        self._store = store
        self._artifact = artifact
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._artifact.size}[whence]
        if start + offset < 0:
            raise OSError("a position before the start of the file")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._artifact.size)
        if end <= self._at:
            return 0
        data = obstore.get_range(self._store, self._artifact.key, start=self._at, end=end)
        buffer[: len(data)] = bytes(data)
        self._at += len(data)
        return len(data)


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


def _from_record(digest: str, record: dict[str, str]) -> Artifact:
    shape = record.get("shape")
    return Artifact(
        digest=digest,
        size=int(record["size"]),
        media_type=record["media_type"],
        shape=None if shape is None else tuple(json.loads(shape)),
        dtype=record.get("dtype"),
        key=record["key"],
    )


def _damaged(digest: str) -> IntegrityError:
    return IntegrityError(
        "the stored bytes are missing or damaged; upload the file again",
        field="digest",
        given=digest,
    )
