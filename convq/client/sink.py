"""Writing what arrives: hashed and written in a thread while more of it is received."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import IO, Self

# Large enough that the change of threads costs nothing beside hashing and writing.
_PIECE = 1 << 20
# So many pieces may wait for the thread, so that it does not have to wait for the next one.
_AHEAD = 2


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
        self._writing: deque[Future[None]] = deque()

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
        """Let the thread write what was taken; wait if it has much to do."""
        self._settle(_AHEAD)
        self._writing.append(self._pool.submit(self._write, self._taken()))

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

    def _taken(self) -> list[bytes]:
        chunks = self._waiting
        self._waiting, self._size = [], 0
        return chunks

    def _settle(self, left: int = 0) -> None:
        """Wait until no more pieces are waiting than so many."""
        while len(self._writing) > left:
            self._writing.popleft().result()

    def _write(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self._sha256.update(chunk)
            self._file.write(chunk)
