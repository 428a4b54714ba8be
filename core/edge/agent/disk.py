"""The operations on files that an agent's promises rest on, in one place.

What a power cut leaves of them is tested by putting another `Disk` in this one's place.
"""

import contextlib
import os
from typing import List, Optional


class Disk:
    """Files as Linux keeps them: what is written may be lost until it is synced.

    A file is safe after `sync`, its name after `sync_folder`.
    """

    def read(self, path: str) -> "Optional[bytes]":
        """Return what is in a file; None if there is none."""
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> "List[str]":
        """Return the names in a folder, sorted."""
        return sorted(os.listdir(folder))

    def size(self, path: str) -> int:
        """Return the bytes in a file; 0 if there is none."""
        try:
            return os.stat(path).st_size
        except FileNotFoundError:
            return 0

    def write(self, path: str, data: bytes, at: int = 0) -> None:
        """Write from ``at`` on; the file is made if there is none, its owner's alone.

        Raises
        ------
        OSError
            The disk is full, for example; a part may have been written.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(descriptor, data[done:], at + done)
        finally:
            os.close(descriptor)

    def cut(self, path: str, length: int) -> None:
        """Let a file end after so many bytes."""
        os.truncate(path, length)

    def sync(self, path: str) -> None:
        """Return when the bytes of a file are on the disk."""
        _sync(path, os.O_RDONLY)

    def sync_folder(self, folder: str) -> None:
        """Return when the names in a folder are on the disk."""
        _sync(folder, os.O_RDONLY | os.O_DIRECTORY)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of the file that had it."""
        os.replace(old, new)

    def remove(self, path: str) -> None:
        """Remove a file, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def replace(disk: Disk, path: str, data: bytes) -> None:
    """Write a file such that a power cut leaves what was there before, or ``data``, whole.

    Raises
    ------
    OSError
        The disk is full, for example; what was there before still is.
    """
    new = path + ".new"
    try:
        # What an earlier attempt left may be longer.
        disk.remove(new)
        disk.write(new, data)
        disk.sync(new)
    except OSError:
        disk.remove(new)
        raise
    place(disk, new, path)


def place(disk: Disk, new: str, path: str) -> None:
    """Give a file that is synced its name, for good."""
    disk.rename(new, path)
    disk.sync_folder(os.path.dirname(path))


def _sync(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
