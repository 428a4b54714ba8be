"""One running stack for each data folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from core.errors import Conflict

# After a `kill -9` of a stack its Redis lives for some milliseconds more, and with it the lock.
_PATIENCE = 2.0


def lock_folder(folder: Path) -> int:
    """Take the data folder for this process, or say who has it.

    The lock is the kernel's: it ends with the last process that holds the returned descriptor.
    Redis inherits it, so that never two of them write to the same files.

    Parameters
    ----------
    folder : Path
        An existing folder.

    Returns
    -------
    int
        File descriptor that holds the lock; closing it gives the folder back.

    Raises
    ------
    Conflict
        When another stack runs on the folder.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                owner = os.pread(lock, 32, 0).decode() or "unknown"
                os.close(lock)
                raise Conflict(
                    f"another convq serve (process {owner}) runs on this data folder",
                    field="data",
                    given=str(folder),
                    accepted="another --data folder, or stop that process first",
                ) from None
            time.sleep(0.05)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock
