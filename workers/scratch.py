"""Where a process that computes has its temporary files, which go even if it is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import IO

_PREFIX = "convq-worker-"
_LOCK = "lock"

# The folder of this process with its lock, which is held until the process ends, however it ends.
_held: list[tuple[Path, IO[bytes]]] = []


def settle() -> Path:
    """Give this process a folder for temporary files, and remove those of processes that are gone.

    Who owns a folder holds a lock on a file in it (flock). The kernel takes it back when the
    process ends, and knows it in all containers that share a disk, where numbers of processes say
    nothing.

    Returns
    -------
    Path
        The folder, which `tempfile` uses from now on.
    """
    parent = Path(tempfile.gettempdir())
    for folder in parent.glob(f"{_PREFIX}*"):
        _remove_if_left(folder)
    making = Path(tempfile.mkdtemp(prefix=".convq-"))
    lock = (making / _LOCK).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    # Seen by others only now that it is locked.
    folder = making.rename(parent / f"{_PREFIX}{making.name.removeprefix('.convq-')}")
    _held.append((folder, lock))
    tempfile.tempdir = os.fspath(folder)
    return folder


def leave() -> None:
    """Remove the folder of this process, which ends."""
    for folder, _ in _held:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        # Its process lives, or another one removes it, or it is of another user.
        return
