"""A disk that fills up or turns read-only: a small file system of its own."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_BALLAST = "ballast"


class Disk:
    """A folder on a small tmpfs.

    Parameters
    ----------
    folder : Path
        Where it is mounted.
    megabytes : int
        Its size.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._megabytes = megabytes
        # A ballast cannot be thrown off a disk that is read-only meanwhile.
        self._broken = threading.Lock()

    def refuses(self) -> str | None:
        """Mount it; return None, or why that is not possible here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0:
            return "only root can mount a file system"
        done = self._run("mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "none")
        return done.stderr.strip() or None

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room."""
        ballast = self.folder / _BALLAST
        with self._broken:
            try:
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(1 << 20))
                yield
            finally:
                ballast.unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[bool]:
        """Refuse all writing; False where the kernel does not allow it while files are open."""
        with self._broken:
            done = self._run("mount", "-o", "remount,ro", "none")
            try:
                yield done.returncode == 0
            finally:
                self._run("mount", "-o", f"remount,rw,size={self._megabytes}m", "none")

    def unmount(self) -> None:
        """Let it go, with all that it holds."""
        self._run("umount", "--lazy")

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, str(self.folder)], capture_output=True, text=True, check=False
        )
