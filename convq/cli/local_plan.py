"""Planning in this process: what the service would do, from the same code, without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from convq.cli.validation import field_error
from convq.client import JobPlan
from convq.client.sources import source
from convq.client.uploads import REFUSALS, OnRefused, none_left
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

    def add(self, path: Path, field: str) -> str:
        """Take a file in, as the service would, and return its digest.

        Raises
        ------
        InvalidInput
            If the file is empty, damaged, or cannot be read.
        """
        body = source(path, field)
        if body.size == 0:
            raise InvalidInput("the file is empty", field=field, given=str(path))
        digest, info = body.digest(), inspect(path)
        self.records[digest] = Artifact(digest, body.size, info.media_type, info.shape, info.dtype)
        self._paths[digest] = path
        return digest

    def get(self, digest: str) -> Artifact:
        """Return what is known of a file."""
        return self.records[digest]

    def read(self, digest: str) -> bytes:
        """Return the bytes of a file."""
        return self._paths[digest].read_bytes()


def local_plan(
    kind_name: str, paths: Sequence[Path], spec: Mapping[str, Any], on_refused: OnRefused
) -> JobPlan:
    """Plan a job on this machine's processor, without the files that are refused.

    Raises
    ------
    InvalidInput
        If a field of ``spec`` is not acceptable, or no file can be processed.
    """
    kind = by_name(kind_name)
    files = LocalFiles()
    inputs = []
    for path in paths:
        try:
            inputs.append(files.add(path, "inputs"))
        except REFUSALS as error:
            on_refused(str(path), error)
    if not inputs:
        raise none_left([str(path) for path in paths])
    body = {"kind": kind_name, "inputs": inputs, **spec}
    kernel = body.get("kernel")
    if isinstance(kernel, Path):
        body["kernel"] = {"artifact": files.add(kernel, "kernel")}
    try:
        validated = kind.spec.model_validate(body)
    except ValidationError as error:
        raise field_error(error, body) from None
    planning = Planning(
        artifacts=cast("ArtifactStore", files),
        inputs=files.records,
        device=cpu(),
        memory_cap=Settings().memory_cap,
    )
    return JobPlan.model_validate(kind.plan(validated, planning))
