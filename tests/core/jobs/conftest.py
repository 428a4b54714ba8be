"""Jobs in the test's own process: of any kind, and those that train on a small data set."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.conv.device import cpu
from core.jobs import train
from core.jobs.kind import Planning
from core.jobs.registry import by_name
from core.jobs.run import Run
from core.jobs.train import TrainSpec
from core.media import NPY, decode, encode, inspect
from core.store.artifacts import ArtifactStore

LAYERS = [
    {"layer": "conv", "filters": 3, "kernel": 3},
    {"layer": "relu"},
    {"layer": "flatten"},
    {"layer": "dense", "features": 3},
]


def stripes(images: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return pictures of 8 x 8 with lines in one of three directions."""
    random = np.random.default_rng(seed)
    y = np.arange(images) % 3
    rows, columns = np.mgrid[:8, :8]
    waves = np.stack([np.sin(2 * rows), np.sin(2 * columns), np.sin(2 * rows + 2 * columns)])
    return (waves[y] + random.normal(size=(images, 8, 8)) / 4).astype(np.float32), y


class Trainings:
    """Uploads data sets, plans and runs trainings."""

    def __init__(self, artifacts: ArtifactStore, scratch: Path) -> None:
        self.artifacts = artifacts
        self.scratch = scratch

    def upload(self, **arrays: Any) -> str:
        file = io.BytesIO()
        np.savez(file, **arrays)
        return self.artifacts.put(file.getvalue(), "application/x-npz").digest

    def data(self, images: int = 60, seed: int = 0) -> str:
        x, y = stripes(images, seed)
        return self.upload(x=x, y=y, classes=np.array(["flat", "steep", "slanted"]))

    def spec(self, data: str, **fields: Any) -> TrainSpec:
        fields = {
            "kind": "train",
            "data": data,
            "model": {"input": [1, 8, 8], "layers": LAYERS},
            "options": {"epochs": 3, "batch": 16},
        } | fields
        return TrainSpec.model_validate(fields)

    def plan(self, spec: TrainSpec, memory_cap: int = 1 << 32) -> dict[str, Any]:
        inputs = {digest: self.artifacts.get(digest) for digest in train.references(spec)}
        return train.plan(spec, Planning(self.artifacts, inputs, cpu(), memory_cap))

    def make_run(self, spec: TrainSpec, **options: Any) -> Run:
        return Run(
            artifacts=self.artifacts,
            device=cpu(),
            memory_cap=1 << 32,
            scratch=self.scratch,
            total=train.items(spec),
            **options,
        )

    def run(self, spec: TrainSpec, **options: Any) -> Run:
        run = self.make_run(spec, **options)
        train.run(spec, run)
        return run

    def result(self, run: Run, name: str) -> bytes:
        (digest,) = [entry["digest"] for entry in run.results if entry["name"] == name]
        return self.artifacts.read(digest)


@pytest.fixture
def trainings(artifacts: ArtifactStore, tmp_path: Path) -> Trainings:
    return Trainings(artifacts, tmp_path)


class Works:
    """Uploads inputs, plans and runs jobs of any kind in the test's own process."""

    def __init__(self, artifacts: ArtifactStore, scratch: Path) -> None:
        self.artifacts = artifacts
        self.scratch = scratch

    def upload(self, array: Any, media_type: str = NPY, **extra: Any) -> str:
        data = encode(np.asarray(array), media_type, extra=extra)  # type: ignore[arg-type]
        info = inspect(data)
        return self.artifacts.put(data, info.media_type, info.shape, info.dtype).digest

    def spec(self, kind: str, *inputs: Any, **fields: Any) -> Any:
        return by_name(kind).spec.model_validate({"kind": kind, "inputs": list(inputs)} | fields)

    def plan(self, kind: str, *inputs: Any, memory_cap: int = 1 << 32, **fields: Any) -> Any:
        spec = self.spec(kind, *inputs, **fields)
        records = {digest: self.artifacts.get(digest) for digest in by_name(kind).references(spec)}
        return by_name(kind).plan(spec, Planning(self.artifacts, records, cpu(), memory_cap))

    def make_run(self, kind: str, spec: Any) -> Run:
        return Run(
            artifacts=self.artifacts,
            device=cpu(),
            memory_cap=1 << 32,
            scratch=self.scratch,
            total=by_name(kind).items(spec),
        )

    def run(self, kind: str, *inputs: Any, **fields: Any) -> Run:
        spec = self.spec(kind, *inputs, **fields)
        run = self.make_run(kind, spec)
        by_name(kind).run(spec, run)
        assert run.progress.done == run.progress.total
        return run

    def named(self, array: Any, name: str, media_type: str = NPY) -> dict[str, str]:
        return {"artifact": self.upload(array, media_type), "name": name}

    def names(self, run: Run) -> list[str]:
        return [entry["name"] for entry in run.results]

    def bytes(self, run: Run, name: str) -> bytes:
        (digest,) = [entry["digest"] for entry in run.results if entry["name"] == name]
        return self.artifacts.read(digest)

    def array(self, run: Run, name: str) -> Any:
        return decode(self.bytes(run, name)).array

    def json(self, run: Run, name: str) -> Any:
        return json.loads(self.bytes(run, name))


@pytest.fixture
def works(artifacts: ArtifactStore, tmp_path: Path) -> Works:
    return Works(artifacts, tmp_path)
