"""Planning in this process: what the service would do, from the same code, without it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from convq.client import JobPlan
from core.conv.device import cpu
from core.errors import InvalidInput
from core.jobs.kind import Planning
from core.jobs.registry import by_name
from core.media import inspect
from core.settings import Settings
from core.store.artifacts import Artifact, ArtifactStore


class LocalFiles:
    """Files in place of stored artifacts: what planning asks a store for."""

    def __init__(self) -> None:
        self.records: dict[str, Artifact] = {}
        self._paths: dict[str, Path] = {}

    def add(self, path: Path) -> str:
        """Take a file in and return its digest."""
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        info = inspect(path)
        size = path.stat().st_size
        self.records[digest] = Artifact(digest, size, info.media_type, info.shape, info.dtype)
        self._paths[digest] = path
        return digest

    def get(self, digest: str) -> Artifact:
        """Return what is known of a file."""
        return self.records[digest]

    def read(self, digest: str) -> bytes:
        """Return the bytes of a file."""
        return self._paths[digest].read_bytes()


def local_plan(kind_name: str, paths: Sequence[Path], spec: Mapping[str, Any]) -> JobPlan:
    """Plan a job on this machine's processor.

    Raises
    ------
    InvalidInput
        If a field of ``spec`` is not acceptable, or no file can be processed.
    """
    kind = by_name(kind_name)
    files = LocalFiles()
    body = {"kind": kind_name, "inputs": [files.add(path) for path in paths], **spec}
    kernel = body.get("kernel")
    if isinstance(kernel, Path):
        if not kernel.is_file():
            raise InvalidInput("there is no such file", field="kernel", given=str(kernel))
        body["kernel"] = {"artifact": files.add(kernel)}
    try:
        validated = kind.spec.model_validate(body)
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(str(part) for part in fault["loc"])
        raise InvalidInput(fault["msg"], field=field, given=fault["input"]) from None
    planning = Planning(
        artifacts=cast("ArtifactStore", files),
        inputs=files.records,
        device=cpu(),
        memory_cap=Settings().memory_cap,
    )
    return JobPlan.model_validate(kind.plan(validated, planning))
