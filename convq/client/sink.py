"""Writing what arrives: hashed and written in a thread while more of it is received."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Self

# Large enough that the change of threads costs nothing beside hashing and writing.
_PIECE = 1 << 20


class Sink:
    """Takes the bytes of a file one after another.

    Parameters
    ----------
    file : binary file
        Open for writing, at first empty.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> with Sink(file) as sink:
    ...     for _ in range(2):
    ...         if sink.take(b"abc"):
    ...             sink.pass_on()
    ...     sink.finish()[:15]
    'sha256:bbb59da3'
    >>> file.getvalue()
    b'abcabc'
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._size = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="convq-sink")
        self._writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def take(self, chunk: bytes) -> bool:
        """Take some bytes; return whether it is time to `pass_on` what was taken."""
        self._waiting.append(chunk)
        self._size += len(chunk)
        return self._size >= _PIECE

    def pass_on(self) -> None:
        """Begin to write what was taken, once that is written which came before."""
        self._settle()
        self._writing = self._pool.submit(self._write, self._taken())

    def restart(self) -> None:
        """Forget all bytes: they come again from the first one."""
        self._settle()
        self._taken()
        self._sha256 = hashlib.sha256()
        self._file.seek(0)
        self._file.truncate()

    def finish(self) -> str:
        """Write the rest and return ``"sha256:…"`` of all bytes."""
        self._settle()
        self._write(self._taken())
        return f"sha256:{self._sha256.hexdigest()}"

    def _taken(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting, self._size = [], 0
        return data

    def _settle(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _write(self, data: bytes) -> None:
        self._sha256.update(data)
        self._file.write(data)
