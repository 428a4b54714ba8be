"""Writing a file that is digested on its way, and that the disk takes meanwhile."""

from __future__ import annotations

import hashlib
import os
import sys
from io import FileIO
from typing import Final

# So much is given to the disk at a time: enough for it to work on, and little is left for the end.
_AHEAD: Final = 8 << 20


class HashedFile:
    """A file that is written from its beginning to its end.

    Parameters
    ----------
    file : FileIO
        Open for writing, without a buffer, and empty.

    Attributes
    ----------
    size : int
        Bytes written so far.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile(buffering=0) as raw:
    ...     file = HashedFile(raw)
    ...     file.write(b"ab")
    ...     file.write(memoryview(b"c"))
    ...     file.size, file.digest()[:15]
    (3, 'sha256:ba7816bf')
    """

    def __init__(self, file: FileIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._given = 0
        self.size = 0

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._sha256.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[self._file.write(rest) :]
        self.size += len(data)
        if self.size - self._given >= _AHEAD:
            _begin_to_sync(self._file.fileno(), self._given, self.size - self._given)
            self._given = self.size

    def digest(self) -> str:
        """Return ``"sha256:…"`` of all that was written."""
        return f"sha256:{self._sha256.hexdigest()}"


def _begin_to_sync(file: int, start: int, size: int) -> None:
    """Let the disk begin with a part of a file; nobody waits for it.

    What fsync then has to wait for is the last part alone.
    """
    if sys.platform == "linux":
        # Linux begins to write what is dirty (mm/fadvise.c), and forgets only what is written.
        os.posix_fadvise(file, start, size, os.POSIX_FADV_DONTNEED)
