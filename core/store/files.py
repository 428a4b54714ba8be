"""Where the bytes of artifacts lie: a folder, or an object store."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import secrets
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, cast

import anyio
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from core.errors import StorageFull, StoreAway
from core.store.packs import file_of, part_of

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

log = logging.getLogger(__name__)

_CHUNK: Final = 1 << 20
_INCOMING: Final = "incoming"
# What was read and found right is not read again for so long, or for so many other files.
_TRUSTED_SECONDS: Final = 3600.0
_TRUSTED_FILES: Final = 65_536
# No room, over quota, larger than a file may be, read-only, defective.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
# Who waits for an object store hears soon that it does not answer.
_RETRIES: Final[RetryConfig] = {"max_retries": 3, "retry_timeout": timedelta(seconds=5)}


class StoredFile(NamedTuple):
    """A file of the store, as it is listed."""

    key: str
    size: int
    modified: datetime


def _client() -> ClientConfig:
    """Return how an object store is spoken to: an object may take as long as it flows."""
    # What is set here stands in place of all that obstore would find in the environment.
    plain = any(
        os.environ.get(f"{cloud}_ALLOW_HTTP", "").lower() in ("1", "true")
        for cloud in ("AWS", "AZURE", "GOOGLE")
    )
    return {
        "allow_http": plain,
        "connect_timeout": "2s",
        "read_timeout": "20s",
        "timeout": "1day",
    }


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except BaseError as error:
        log.warning("the artifact store: %s", str(error).partition("\n")[0])
        raise StoreAway("the artifact store does not answer; try again in a moment") from error


class Files:
    """The files of a store by their keys; knows nothing of records.

    A key is that of a file, or names a part of a pack (see `core.store.packs`).

    All methods raise `StoreAway` where the store does not answer.

    Parameters
    ----------
    url : str
        A folder, or an ``s3://``, ``gs://`` or ``az://`` URL.

    Attributes
    ----------
    root : Path or None
        The folder, if it is one.
    """

    def __init__(self, url: str) -> None:
        self.root: Path | None = None
        self._store: ObjectStore
        self._trusted = _Trusted()
        if "://" in url:
            self._store = from_url(url, client_options=_client(), retry_config=_RETRIES)
        else:
            self.root = Path(url).absolute()
            (self.root / _INCOMING).mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(self.root)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Give the path of a temporary file that `place` can take over; it is removed after.

        Raises
        ------
        StorageFull
            What the operating system says of a disk that is full or may not be written.
        """
        folder = self.root / _INCOMING if self.root else Path(tempfile.gettempdir())
        path = folder / f"convq-{secrets.token_hex(12)}"
        try:
            yield path
        except OSError as error:
            if full := as_full(error):
                raise full from error
            raise
        finally:
            # A disk that is read-only by now keeps the file; what is told is that it is.
            with suppress(OSError):
                path.unlink(missing_ok=True)

    @_answering()
    def place(self, path: Path, key: str, hexadecimal: str | None = None) -> str:
        """Make the file at ``path`` that of ``key``, safe on the disk.

        Parameters
        ----------
        path : Path
            From `incoming`.
        key : str
            That no file has yet.
        hexadecimal : str, optional
            Its SHA-256, where anybody asks for the file as a whole.

        Returns
        -------
        str
            What it looks like, for `is_intact`.
        """
        if self.root is None:
            obstore.put(self._store, key, path)
        else:
            _move(path, self.root / key)
        version = self._version(key)
        if hexadecimal is not None:
            self._trusted.add(version, hexadecimal)
        return version.tag

    @_answering()
    def delete(self, key: str) -> None:
        """Delete a file, a pack as a whole; one that is not there is as good as deleted."""
        try:
            self._store.delete(key)
        except FileNotFoundError:
            return

    @_answering()
    def exists(self, key: str) -> bool:
        """Tell whether there is a file of this key."""
        try:
            obstore.head(self._store, file_of(key))
        except FileNotFoundError:
            return False
        return True

    def listed(self) -> Iterator[StoredFile]:
        """List all files, those that are being written too."""
        with _answering():
            for batch in obstore.list(self._store):
                for entry in batch:
                    yield StoredFile(entry["path"], entry["size"], entry["last_modified"])

    @_answering()
    def check_writable(self) -> None:
        """Write and delete a small file, or raise the store's error."""
        key = f"{_INCOMING}/check-{secrets.token_hex(8)}"
        self._store.put(key, b"convq")
        self._store.delete(key)

    @_answering()
    def read(self, key: str) -> bytes:
        """Return all bytes, or raise FileNotFoundError."""
        part = part_of(key)
        if self.root:
            # As text, since making paths takes as long as reading a small file.
            with open(f"{self.root}/{file_of(key)}", "rb", buffering=0) as file:  # noqa: PTH123
                if part is None:
                    return file.readall()
                return os.pread(file.fileno(), part.size, part.start)
        if part is None:
            return bytes(obstore.get(self._store, key).bytes())
        end = part.start + part.size
        return bytes(obstore.get_range(self._store, part.file, start=part.start, end=end))

    def path(self, key: str) -> Path | None:
        """Return the file that holds these bytes and no others, if it is a local one."""
        return self.root / key if self.root and part_of(key) is None else None

    @_answering()
    def copy(self, key: str, path: Path) -> None:
        """Write the bytes to ``path`` in constant memory, or raise FileNotFoundError."""
        if part_of(key):
            path.write_bytes(self.read(key))
            return
        with path.open("wb") as file:
            for chunk in obstore.get(self._store, key).stream(_CHUNK):
                file.write(chunk)

    @contextmanager
    def open(self, key: str, size: int) -> Iterator[BinaryIO]:
        """Open a file for reading here and there, or raise FileNotFoundError.

        From an object store only what is read is transferred.
        """
        if part_of(key):
            yield io.BytesIO(self.read(key))
        elif self.root:
            with (self.root / key).open("rb") as local:
                yield local
        else:
            with io.BufferedReader(_Remote(self._store, key, size), _CHUNK) as remote:
                yield cast("BinaryIO", remote)

    @_answering()
    def is_intact(self, key: str, hexadecimal: str, placed: str = "") -> bool:
        """Tell whether the SHA-256 of a file is this one; False if there is no file.

        A file that was found right and has not changed since is not read again for an hour.

        Parameters
        ----------
        key, hexadecimal : str
            The file, and the digest.
        placed : str
            What `place` has returned to whoever placed the file.
        """
        try:
            version = self._version(key)
            if version.tag == placed and self._is_young(key):
                return True
            if self._trusted.knows(version, hexadecimal):
                return True
            found = self._sha256(key)
            unchanged = self._version(key) == version
        except FileNotFoundError:
            return False
        if found != hexadecimal or not unchanged:
            return False
        self._trusted.add(version, hexadecimal)
        return True

    async def stream(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` up to ``end``, or raise FileNotFoundError."""
        if start == end:
            return
        if part := part_of(key):
            key, start, end = part.file, part.start + start, part.start + end
        if self.root:
            async for piece in _pieces(self.root / key, start, end):
                yield piece
            return
        with _answering():
            response = await obstore.get_async(self._store, key, options={"range": (start, end)})
            async for chunk in response.stream(_CHUNK):
                yield bytes(chunk)

    def _sha256(self, key: str) -> str:
        if part_of(key):
            return hashlib.sha256(self.read(key)).hexdigest()
        if self.root:
            with (self.root / key).open("rb", buffering=0) as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        sha256 = hashlib.sha256()
        for chunk in obstore.get(self._store, key).stream(_CHUNK):
            sha256.update(chunk)
        return sha256.hexdigest()

    def _is_young(self, key: str) -> bool:
        """Tell whether a file was placed so short ago that it need not be read again."""
        if self.root is None:
            return False
        return time.time() - (self.root / file_of(key)).stat().st_ctime < _TRUSTED_SECONDS

    def _version(self, key: str) -> _Version:
        """Return what changes whenever the file does."""
        if self.root is None:
            return _Version(key, str(obstore.head(self._store, file_of(key))["e_tag"]))
        found = (self.root / file_of(key)).stat()
        # The time of the last change cannot be set back, as that of the content can.
        marks = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return _Version(key, "-".join(map(str, marks)))


class _Version(NamedTuple):
    key: str
    tag: str


class _Trusted:
    """The files that were read and found right lately."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._seen: OrderedDict[tuple[_Version, str], float] = OrderedDict()

    def add(self, version: _Version, hexadecimal: str) -> None:
        with self._lock:
            self._seen[version, hexadecimal] = time.monotonic()
            self._seen.move_to_end((version, hexadecimal))
            while len(self._seen) > _TRUSTED_FILES:
                self._seen.popitem(last=False)

    def knows(self, version: _Version, hexadecimal: str) -> bool:
        with self._lock:
            seen = self._seen.get((version, hexadecimal))
        return seen is not None and time.monotonic() - seen < _TRUSTED_SECONDS


def as_full(error: BaseException) -> StorageFull | None:
    """Return what an error of the operating system means if it means that there is no room.

    Examples
    --------
    >>> as_full(OSError(errno.ENOSPC, "No space left on device")).message
    'the disk takes no more: No space left on device'
    >>> as_full(OSError(errno.ENOENT, "No such file or directory")) is None
    True
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        return StorageFull(
            f"the disk takes no more: {os.strerror(error.errno)}",
            accepted="the same again, once there is room",
        )
    return None


def _move(path: Path, target: Path) -> None:
    # obstore's local put copies and does not sync. Moved first, bytes and name are made safe by one
    # write of the file system's journal; until there is a record nobody looks for the file.
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    try:
        _sync(target)
        _sync(target.parent)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


async def _pieces(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield the bytes of a local file, which obstore would read in pieces of a few KiB."""
    with path.open("rb", buffering=0) as file:
        while start < end:
            piece = await anyio.to_thread.run_sync(
                os.pread, file.fileno(), min(_CHUNK, end - start), start
            )
            if not piece:
                raise FileNotFoundError(f"{path} has become shorter")
            start += len(piece)
            yield piece


class _Remote(io.RawIOBase):
    """An object of an object store as a file, of which each read is a request."""

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("a position before the start of the file")
        self._at = start + offset
        return self._at

    @_answering()
    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        data = obstore.get_range(self._store, self._key, start=self._at, end=end)
        buffer[: len(data)] = bytes(data)
        self._at += len(data)
        return len(data)
