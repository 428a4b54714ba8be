"""Models through the client and the command line, against the real API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convq.cli import completion
from convq.cli.app import app
from convq.client import AsyncClient, Client
from core.errors import Conflict, InvalidInput, NotFound, UnsupportedMedia
from core.nets.model import Model, dump, load
from core.nets.network import Network
from core.nets.onnx import load as load_onnx
from core.nets.spec import NetSpec
from core.store.artifacts import ArtifactStore
from core.store.jobs import JobStore, Progress


def model_file(seed: int = 0) -> bytes:
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 2}]
    spec = NetSpec.model_validate({"input": [1, 3, 3], "layers": layers})
    about = {
        "classes": ["cat", "dog"],
        "metrics": {"accuracy": 0.75},
        "lineage": {"data": "sha256:d", "convq": "0.1.0"},
    }
    return dump(Model(spec, Network(spec).init(seed=seed), about))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{seed}.safetensors" for seed in range(3)]
    for seed, path in enumerate(paths):
        path.write_bytes(model_file(seed))
    return paths


@pytest.fixture
def job_id(jobs: JobStore, artifacts: ArtifactStore) -> str:
    """Return the id of a job that made a model."""
    job, _ = jobs.submit(kind="train", spec="{}", artifacts=[])
    (claimed,) = jobs.claim(worker="w", pid=1, lease=30)
    attempt = claimed.attempt
    made = artifacts.put(model_file(), "application/x-safetensors")
    entry = {"name": "model.safetensors", "input": None} | made.to_dict()
    jobs.finish(
        job.id,
        attempt,
        "succeeded",
        progress=Progress(),
        timings={},
        results=json.dumps({"results": [entry], "failures": []}),
        artifacts=(made.digest,),
    )
    return job.id


def test_the_client(real_url: str, job_id: str, files: list[Path], tmp_path: Path) -> None:
    with Client(real_url) as client:
        first = client.register_model("pets", job_id)
        assert (first.reference, first.job, first.metrics) == ("pets@1", job_id, {"accuracy": 0.75})
        assert client.register_model("pets", client.job(job_id)) == first
        # The same bytes are the same version, wherever they come from.
        assert client.register_model("pets", files[0]) == first
        uploaded = client.upload(files[1])
        second = client.register_model("pets", uploaded)
        assert client.register_model("pets", uploaded.digest) == second
        assert [model.name for model in client.models()] == ["pets"]
        assert client.set_alias("pets", "production", 1).aliases == {"production": 1}
        model = client.model("pets")
        assert ([version.version for version in model.versions], model.latest) == ([2, 1], 2)
        for reference, number in (("pets", 2), ("pets@latest", 2), ("pets@production", 1)):
            assert client.model_version(reference).version == number
        assert client.model_version("pets@1").classes == ["cat", "dog"]
        saved = client.download_model("pets@production", tmp_path / "new" / "m.safetensors")
        assert saved.read_bytes() == files[0].read_bytes()
        assert load(saved).classes == ("cat", "dog")
        exported = client.export_model("pets@1", tmp_path / "new" / "m.onnx")
        assert load_onnx(exported.read_bytes()).outputs == ("output",)
        with pytest.raises(Conflict, match="alias"):
            client.delete_version("pets@1")
        client.delete_alias("pets", "production")
        client.delete_version("pets@1")
        assert client.model("pets").count == 1


def test_errors_of_the_client(real_url: str, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"no model")
    with Client(real_url) as client:
        with pytest.raises(UnsupportedMedia):
            client.register_model("pets", tmp_path / "other")
        with pytest.raises(InvalidInput, match="no such job"):
            client.register_model("pets", "0" * 20)
        for call in (client.model, client.model_version):
            with pytest.raises(NotFound, match="no such model"):
                call("pets")
        with pytest.raises(InvalidInput, match="no reference"):
            client.model_version("pets@")
        client.register_model("pets", client.upload(model_file()))
        with pytest.raises(NotFound, match="no such alias"):
            client.model_version("pets@production")
        with pytest.raises(NotFound, match="no such version"):
            client.export_model("pets@7", tmp_path / "m.onnx")
        assert not (tmp_path / "m.onnx").exists()


def test_many_models_and_versions(
    real_url: str, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convq.client.registry._PAGE", 2)
    with Client(real_url) as client:
        for path in files:
            client.register_model("pets", path)
        for name in ("a", "b", "c"):
            client.register_model(name, files[0])
        assert [model.name for model in client.models()] == ["a", "b", "c", "pets"]
        assert [version.version for version in client.model("pets").versions] == [3, 2, 1]


def test_the_asynchronous_client(real_url: str, files: list[Path], tmp_path: Path) -> None:
    async def use() -> None:
        async with AsyncClient(real_url) as client:
            version = await client.register_model("pets", files[0])
            await client.set_alias("pets", "best", 1)
            assert [model.name async for model in client.models()] == ["pets"]
            assert (await client.model("pets")).aliases == {"best": 1}
            assert (await client.model_version("pets@best")).digest == version.digest
            assert (await client.download_model("pets", tmp_path / "m")).exists()
            assert (await client.export_model("pets", tmp_path / "o")).exists()
            await client.delete_alias("pets", "best")
            await client.delete_version("pets")

    asyncio.run(use())


@pytest.fixture
def convq(real_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Run a command against the real API, in 80 columns, without colour."""
    for name, value in (("COLUMNS", "80"), ("NO_COLOR", "1"), ("CONVQ_URL", real_url)):
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["models", *map(str, arguments)])


def test_the_command_line(
    convq: Callable[..., Any], files: list[Path], job_id: str, tmp_path: Path
) -> None:
    assert convq("list").stderr.startswith("no models")
    assert convq("register", "pets", job_id[:12]).stdout == "pets@1 is registered\n"
    assert convq("register", "pets", files[1]).stdout == "pets@2 is registered\n"
    shown = json.loads(convq("register", "pets", files[2], "--json").stdout)
    assert (shown["version"], shown["aliases"]) == (3, [])
    assert convq("alias", "pets@2", "production").stdout == "pets@production is pets@2 now\n"
    lines = convq("list").stdout.splitlines()
    assert lines[0].split() == ["MODEL", "VERSIONS", "LATEST", "AGE", "ALIASES"]
    assert [lines[1].split()[place] for place in (0, 1, 2, 4)] == ["pets", "3", "3", "production=2"]
    view = convq("show", "pets").stdout
    assert "accuracy 0.75" in view
    assert max(map(len, view.splitlines())) <= 80
    version = convq("show", "pets@1").stdout
    for part in ("pets@1", "cat, dog", "1 × 3 × 3 to 2", "flatten, dense", job_id, "20 param"):
        assert part in version
    assert max(map(len, version.splitlines())) <= 80
    assert json.loads(convq("show", "pets@1", "--json").stdout)["lineage"]["job"] == job_id
    assert json.loads(convq("list", "--json").stdout)["models"][0]["name"] == "pets"
    assert "pets@1 is written to pets-1.safetensors" in convq("download", "pets@1").stdout
    assert (tmp_path / "pets-1.safetensors").read_bytes() == files[0].read_bytes()
    assert "written to out.onnx" in convq("export", "pets@production", "-o", "out.onnx").stdout
    assert list(completion.models("pets@")) == ["pets@production"]
    refused = convq("delete", "pets@production")
    assert refused.exit_code == 1
    assert "alias" in refused.stderr
    assert convq("unalias", "pets", "production").stdout == "pets@production is no more\n"
    assert convq("delete", "pets@2").stdout == "pets@2 is deleted\n"
    assert len(convq("show", "pets").stdout.splitlines()) == 5
    assert convq("show", "dogs").exit_code == 1
    assert convq("show", "a@b@c").exit_code == 2
