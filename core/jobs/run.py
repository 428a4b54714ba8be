"""What a job kind sees of the world while it runs."""

from __future__ import annotations

import json
import math
import shutil
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar, cast

from core.conv.device import Device
from core.conv.residency import Devices
from core.errors import Cancelled, ConvqError, LeaseLost, QuotaFull, StorageFull, StoreAway
from core.jobs.inputs import unique
from core.jobs.together import Together
from core.media import MAX_PIXELS, ZARR
from core.media.jsonable import finite
from core.needs import Wish
from core.store.artifacts import Artifact, ArtifactStore, digest_of_file
from core.store.jobs import Job, Progress

T = TypeVar("T")


class Drained(ConvqError):
    """The worker shuts down; the job goes back to the queue."""

    code = "drained"


class Continued(ConvqError):
    """The job has run for long; it goes back to the queue and on from its last checkpoint."""

    code = "continued"


class Waiting(ConvqError):
    """The job goes on once the jobs that it has begun have ended.

    Parameters
    ----------
    children : list of str
        Their ids.
    """

    code = "waiting"

    def __init__(self, children: list[str]) -> None:
        super().__init__("the job waits for others that it has begun")
        self.children = children


# Between two looks whether a full disk has room again, or a store answers.
_PAUSE = 0.25

# Of a report, which stays in the job's record.
_METRICS_BYTES = 2048

_STOPS: dict[str, type[ConvqError]] = {
    "cancel": Cancelled,
    "drain": Drained,
    "lost": LeaseLost,
}


@dataclass(frozen=True)
class Report:
    """Metrics as JSON text that are still to be published."""

    text: str
    lasts: bool


class Children(Protocol):
    """The jobs that a job begins, spread over the workers like all others."""

    def begin(self, name: str, spec: Any) -> Job:
        """Queue a job of this Spec; the same ``name`` gives the same job at every attempt."""

    def begin_many(self, specs: Mapping[str, Any]) -> dict[str, Job]:
        """Do what `begin` does for several, by their names, in few round trips."""

    def get(self, job_id: str) -> Job:
        """Return the job's record as it is now."""

    def workers(self) -> int:
        """Return how many workers there are, at least one."""


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
        The processor.
    memory_cap : int
        Most bytes that one convolution may take.
    scratch : Path
        A folder for temporary files, removed after the attempt.
    total : int
        Number of items that progress counts.
    max_pixels : int
        Largest picture to decode.
    resumes_from : str, optional
        Digest of the checkpoint that an earlier attempt left.
    keep : callable, optional
        ``keep(digest)`` makes the artifact the job's checkpoint; False if it is not stored any
        more. Raises LeaseLost.
    continue_after : float
        Seconds after which work that can be resumed goes back to the queue.
    children : Children, optional
        Where the job begins others.
    patience : float
        Seconds that finished work waits for room where the disk is full, before it fails, and for
        a store that does not answer, before it is given back.
    check_room : callable, optional
        ``check_room(size)`` raises `core.errors.QuotaFull` where the tenant may not store so many
        bytes more. Not asked for results of jobs that run together, which are small.
    together : Together, optional
        Moves inputs and results of several jobs at once; results are then stored by its `place`.
    gpu : Device, optional
        The GPU that the worker has beside the processor.
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
        resumes_from: str | None = None,
        keep: Callable[[str], bool] = lambda digest: True,
        continue_after: float = math.inf,
        children: Children | None = None,
        patience: float = 0,
        check_room: Callable[[int], None] = lambda size: None,
        together: Together | None = None,
        gpu: Device | None = None,
    ) -> None:
        self.artifacts = artifacts
        self.device = device
        self.gpu = gpu
        self.memory_cap = memory_cap
        self.max_pixels = max_pixels
        self.scratch = scratch
        self.progress = Progress(total=total)
        self.timings: dict[str, float] = {}
        self.results: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        self.plan: dict[str, Any] | None = None
        self.children = children
        self.check_room = check_room
        self._resumes_from = resumes_from
        self._keep = keep
        self._continue_after = continue_after
        self._continue_at = math.inf
        self._patience = patience
        self._together = together
        self._last: Artifact | None = None
        self._common: dict[Hashable, Any] = {} if together is None else together.common
        self._reports: list[Report] = []
        self._names: set[str] = set()
        self._asked: str | None = None
        self._lock = threading.Lock()

    def devices(self, wish: Wish) -> Devices:
        """Return both devices, and which one a job asks for."""
        return Devices(self.device, self.gpu, wish)

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
        Continued
            Work that can be resumed has lasted for long.
        LeaseLost
            Another worker has the job now.
        """
        if self._asked is not None:
            raise _STOPS[self._asked]("the work was asked to stop")
        if time.monotonic() >= self._continue_at:
            raise Continued("the work goes on later")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Name what happens now, and add its duration to the job's timings."""
        self.check()
        with self._lock:
            self.progress = self.progress._replace(stage=name)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.timings[name] = self.timings.get(name, 0.0) + spent

    def expect(self, total: int) -> None:
        """Tell how many items there are, where the Spec alone does not say."""
        with self._lock:
            self.progress = self.progress._replace(total=total)

    def at(self, done: int, stage: str) -> None:
        """Tell how many items are done, and what happens now, where items are not all alike."""
        with self._lock:
            self.progress = self.progress._replace(done=done, stage=stage)

    def advance(self, *, failed: bool = False) -> None:
        """Count one more item as done."""
        with self._lock:
            self.progress = self.progress._replace(
                done=self.progress.done + 1, failed=self.progress.failed + failed
            )

    def resume(self) -> Path | None:
        """Return the file of the last checkpoint, or None at the first attempt.

        Only a kind that goes on from its checkpoints calls this, once it is ready to work: from
        now on `check` may raise Continued, and the time until then is counted from here.
        """
        self._continue_at = time.monotonic() + self._continue_after
        return None if self._resumes_from is None else self.fetch(self._resumes_from)

    def checkpoint(self, write: Callable[[Path], None]) -> None:
        """Save from where the next attempt goes on, in place of what was saved before.

        Parameters
        ----------
        write : callable
            Writes the bytes to the path that it is given.

        Raises
        ------
        LeaseLost
            Another worker has the job now.
        """
        kept = False
        while not kept:
            artifact = self._store(write, "application/octet-stream")
            # False if another job let go of the same bytes and they were swept in this moment.
            kept = self._keep(artifact.digest)
        self._resumes_from = artifact.digest

    def report(self, metrics: Mapping[str, Any], *, lasts: bool = False) -> None:
        """Tell those who watch the job how it goes.

        Parameters
        ----------
        metrics : mapping
            Numbers and short texts by name, at most 2 KB as JSON; what is not finite is told as
            null. The latest stays in the job's record.
        lasts : bool
            Whether it belongs to the job's history. What does not is forgotten with the next
            report.
        """
        text = json.dumps(finite(dict(metrics)), separators=(",", ":"), allow_nan=False)
        if len(text) > _METRICS_BYTES:
            raise ValueError(f"{len(text)} bytes of metrics; at most {_METRICS_BYTES} are kept")
        with self._lock:
            self._reports = [kept for kept in self._reports if kept.lasts]
            self._reports.append(Report(text, lasts))

    def reports(self) -> list[Report]:
        """Return what was reported since it was last `told`."""
        with self._lock:
            return list(self._reports)

    def told(self, report: Report) -> None:
        """Forget a report that has been published."""
        with self._lock:
            self._reports = [kept for kept in self._reports if kept is not report]

    def is_chunked(self, digest: str) -> bool:
        """Tell whether an input is a chunked array; none is where jobs run together."""
        return self._together is None and self._record(digest).media_type == ZARR

    def fetch(self, digest: str) -> Path:
        """Return a local file with the verified bytes of an input."""
        return self.artifacts.local(self._record(digest), self.scratch)

    def load(self, digest: str) -> bytes | Path:
        """Return the verified bytes of an input, or, of a large one, a local file with them."""
        return self.artifacts.content(self._record(digest), self.scratch)

    def common(self, name: Hashable, make: Callable[[], T]) -> T:
        """Return what was made under this name before, by this job or one that runs with it.

        Jobs run together only if they are alike (see `core.jobs.kind.Kind`); what they share must
        follow from what they have in common.
        """
        if name not in self._common:
            self._common[name] = make()
        return cast("T", self._common[name])

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

        def write_file(file: BinaryIO) -> None:
            path = self.scratch / "result"
            write(path)
            with path.open("rb") as written:
                shutil.copyfileobj(written, file)

        return self._deliver(name, source, write, write_file, (media_type, shape, dtype))

    def deliver_file(
        self,
        name: str,
        *,
        source: str | None,
        media_type: str,
        write: Callable[[BinaryIO], None],
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
    ) -> Artifact:
        """Do what `deliver` does for a result that is written to an open file, from its beginning.

        It may be in memory only, which is quicker for small jobs.
        """

        def write_path(path: Path) -> None:
            with path.open("wb") as file:
                write(file)

        return self._deliver(name, source, write_path, write, (media_type, shape, dtype))

    def wait_for_store(self) -> None:
        """Return once the store of the artifacts answers, or patience is at its end.

        Raises
        ------
        Cancelled, Drained, Continued, LeaseLost
            As `check`.
        """
        deadline = time.monotonic() + self._patience
        while time.monotonic() < deadline:
            self.check()
            try:
                self.artifacts.check_writable()
            except StoreAway:
                time.sleep(_PAUSE)
            else:
                return

    def fail_item(self, name: str, *, source: str, error: ConvqError) -> None:
        """Report that one item failed, and why; the others go on."""
        self.failures.append({"input": source, "name": name} | error.to_dict())

    def _record(self, digest: str) -> Artifact:
        if self._together is not None:
            return self._together.get(digest)
        # Who has asked what an input is reads it next.
        record = self._last
        if record is None or record.digest != digest:
            self._last = record = self.artifacts.get(digest)
        return record

    def _deliver(
        self,
        name: str,
        source: str | None,
        write_path: Callable[[Path], None],
        write_file: Callable[[BinaryIO], None],
        about: tuple[str, tuple[int, ...] | None, str | None],
    ) -> Artifact:
        self.check()
        if self._together is not None:
            artifact = self._together.store(write_file, *about)
        else:
            artifact = self._store(write_path, *about)
        entry = {"name": unique(name, self._names)} | artifact.to_dict() | {"input": source}
        self.results.append(entry)
        return artifact

    def _store(
        self,
        write: Callable[[Path], None],
        media_type: str,
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
    ) -> Artifact:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                with self.artifacts.incoming() as path:
                    write(path)
                    with path.open("rb") as file:
                        digest = digest_of_file(file)
                    self.check_room(path.stat().st_size)
                    return self.artifacts.commit(path, digest, media_type, shape, dtype)[0]
            except QuotaFull:
                # Others are not to wait until this tenant deletes something.
                raise
            except (StorageFull, StoreAway):
                if time.monotonic() > deadline:
                    raise
            self.check()
            time.sleep(_PAUSE)
