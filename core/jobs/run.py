"""What a job kind sees of the world while it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.conv.device import Device
from core.errors import Cancelled, ConvqError, LeaseLost
from core.jobs.inputs import unique
from core.media import MAX_PIXELS
from core.store.artifacts import Artifact, ArtifactStore, digest_of_file
from core.store.jobs import Progress


class Drained(ConvqError):
    """The worker shuts down; the job goes back to the queue."""

    code = "drained"


_STOPS: dict[str, type[ConvqError]] = {
    "cancel": Cancelled,
    "drain": Drained,
    "lost": LeaseLost,
}


class Run:
    """One attempt at a job, as its kind sees it.

    A kind reads its inputs through `fetch`, calls `check` often (several times a second), tells how
    far it is with `advance`, and hands in what it made with `deliver` and `fail_item`. It knows
    nothing of Redis, leases or Celery, so it can be tested without them.

    Parameters
    ----------
    artifacts : ArtifactStore
        Where inputs come from and results go.
    device : Device
        What to run on.
    memory_cap : int
        Most bytes that one convolution may take.
    scratch : Path
        A folder for temporary files, removed after the attempt.
    total : int
        Number of items that progress counts.
    max_pixels : int
        Largest picture to decode.
    """

    def __init__(
        self,
        *,
        artifacts: ArtifactStore,
        device: Device,
        memory_cap: int,
        scratch: Path,
        total: int,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.artifacts = artifacts
        self.device = device
        self.memory_cap = memory_cap
        self.max_pixels = max_pixels
        self.scratch = scratch
        self.progress = Progress(total=total)
        self.timings: dict[str, float] = {}
        self.results: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        self.plan: dict[str, Any] | None = None
        self._names: set[str] = set()
        self._asked: str | None = None
        self._lock = threading.Lock()

    def ask_to_stop(self, reason: str) -> None:
        """Make the next `check` raise (called from the thread that renews the lease)."""
        self._asked = reason

    def check(self) -> None:
        """Return at once, or raise because the work must stop now.

        Raises
        ------
        Cancelled
            The user cancelled the job.
        Drained
            The worker shuts down.
        LeaseLost
            Another worker has the job now.
        """
        if self._asked is not None:
            raise _STOPS[self._asked]("the work was asked to stop")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name what happens now, and add its duration to the job's timings."""
        self.check()
        with self._lock:
            self.progress = replace(self.progress, stage=name)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.timings[name] = self.timings.get(name, 0.0) + spent

    def advance(self, *, failed: bool = False) -> None:
        """Count one more item as done."""
        with self._lock:
            self.progress = replace(
                self.progress,
                done=self.progress.done + 1,
                failed=self.progress.failed + failed,
            )

    def fetch(self, digest: str) -> Path:
        """Return a local file with the verified bytes of an input."""
        return self.artifacts.fetch(digest, self.scratch)

    def deliver(
        self,
        name: str,
        *,
        source: str | None,
        media_type: str,
        write: Callable[[Path], None],
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
    ) -> Artifact:
        """Store a result.

        Parameters
        ----------
        name : str
            File name of the result; it gets a number if there is one of that name already.
        source : str, optional
            Digest of the input that it was made from.
        media_type : str
            Of the bytes.
        write : callable
            Writes the bytes to the path that it is given.
        shape, dtype : tuple of int, str, optional
            Of the array that the bytes hold.
        """
        self.check()
        with self.artifacts.incoming() as path:
            write(path)
            with path.open("rb") as file:
                digest = digest_of_file(file)
            artifact, _ = self.artifacts.commit(path, digest, media_type, shape, dtype)
        self.results.append(
            {"name": unique(name, self._names)} | artifact.to_dict() | {"input": source}
        )
        return artifact

    def fail_item(self, name: str, *, source: str, error: ConvqError) -> None:
        """Report that one item failed, and why; the others go on."""
        self.failures.append({"input": source, "name": name} | error.to_dict())
