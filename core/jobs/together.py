"""Inputs and results of several small jobs, moved at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from core.store.artifacts import Artifact, ArtifactStore
from core.store.files import as_full


class Together:
    """What jobs of one tenant that run together read and write.

    A small job alone spends its time waiting: for Redis, which syncs each change, and for the disk,
    which syncs each file. Here the records of all inputs are read in one round trip, and files and
    records of all results are written in two. Nothing is stored before `commit`.

    Parameters
    ----------
    artifacts : ArtifactStore
        Of the tenant.
    folder : Path
        For copies of inputs from an object store.

    Attributes
    ----------
    is_full : bool
        Whether a result could not be written because the disk is full.
    """

    def __init__(self, artifacts: ArtifactStore, folder: Path) -> None:
        self._artifacts = artifacts
        self._folder = folder
        self._known: dict[str, Artifact] = {}
        self._made: dict[Path, Artifact] = {}
        self._files = ExitStack()
        self.is_full = False

    def __enter__(self) -> Together:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.close()

    def look_up(self, digests: Iterable[str]) -> None:
        """Read the records of what will be fetched."""
        self._known |= self._artifacts.find(digests)

    def fetch(self, digest: str) -> Path:
        """Return a local file with the verified bytes of an input."""
        if digest not in self._known:
            self._known[digest] = self._artifacts.get(digest)
        return self._artifacts.local(self._known[digest], self._folder)

    def store(
        self,
        write: Callable[[Path], None],
        media_type: str,
        shape: tuple[int, ...] | None,
        dtype: str | None,
    ) -> Artifact:
        """Write a result, and return the artifact that it will be."""
        try:
            path = self._files.enter_context(self._artifacts.incoming())
            write(path)
        except OSError as error:
            full = as_full(error)
            if full is None:
                raise
            self.is_full = True
            raise full from error
        artifact = self._artifacts.describe(path, media_type, shape, dtype)
        self._made[path] = artifact
        return artifact

    def commit(self, pool: Executor) -> None:
        """Store the results of all jobs; ``pool`` syncs several files at a time."""
        self._artifacts.commit_many(self._made, pool)
