"""Inputs and results of several small jobs, moved at once."""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

from core.store.artifacts import Artifact, ArtifactStore, described, digest_of
from core.store.files import as_full

# A result of up to this size shares a file with others, which stays as long as one of them does.
_SMALL: Final = 256 << 10


class Together:
    """What jobs of one tenant that run together read and write.

    A small job alone spends its time waiting: for Redis, which syncs each change, and for the disk,
    which syncs each file. Here the records of all inputs are read in one round trip, and small
    results are written to one file. Nothing is stored before `place`.

    Parameters
    ----------
    artifacts : ArtifactStore
        Of the tenant.
    known : mapping
        Records of inputs that have been read, by digest.

    Attributes
    ----------
    common : dict
        What one job has made that the others can use, too.
    is_full : bool
        Whether a result could not be written because the disk is full.
    """

    def __init__(self, artifacts: ArtifactStore, known: Mapping[str, Artifact]) -> None:
        self._artifacts = artifacts
        self._known = dict(known)
        self._small: dict[str, tuple[Artifact, bytes]] = {}
        self._large: dict[Path, Artifact] = {}
        self._files = ExitStack()
        self.common: dict[Hashable, Any] = {}
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

    def get(self, digest: str) -> Artifact:
        """Return the record of an input."""
        if digest not in self._known:
            self._known[digest] = self._artifacts.get(digest)
        return self._known[digest]

    def store(
        self,
        write: Callable[[BinaryIO], None],
        media_type: str,
        shape: tuple[int, ...] | None,
        dtype: str | None,
    ) -> Artifact:
        """Take a result, and return the artifact that it will be."""
        file = io.BytesIO()
        write(file)
        data = file.getvalue()
        digest = digest_of(data)
        if len(data) <= _SMALL:
            artifact = Artifact(digest, len(data), media_type, shape, dtype)
            self._small[digest] = (artifact, data)
            return artifact
        try:
            path = self._files.enter_context(self._artifacts.incoming())
            path.write_bytes(data)
        except OSError as error:
            full = as_full(error)
            if full is None:
                raise
            self.is_full = True
            raise full from error
        self._large[path] = described(path, digest, media_type, shape, dtype)
        return self._large[path]

    def place(self, pool: Executor) -> list[Artifact]:
        """Make the results of all jobs safe on the disk, and return them, to be recorded.

        ``pool`` syncs several files at a time: the disk then writes its journal once for several.
        """
        placed = list(pool.map(self._artifacts.place, self._large.keys(), self._large.values()))
        if self._small:
            placed += self._artifacts.place_together(self._small.values())
        return placed
