"""deploy/jetson/Dockerfile: a box in a container, beside the service of containers."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.edge.bundle import build as bundle
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.edge.standalone import standalone
from core.nets.model import Model
from core.nets.network import Network
from core.nets.spec import NetSpec
from tests.compose.containers import ROOT, Service, docker, wait_until

pytestmark = pytest.mark.timeout(1800)

NET = {
    "input": [1, 9, 8],
    "layers": [
        {"layer": "conv", "filters": 5, "kernel": 3, "padding": 1},
        {"layer": "relu"},
        {"layer": "flatten"},
        {"layer": "dense", "features": 3},
    ],
}
# A box may only be asked by itself.
ASK = """
import sys, urllib.request as u
print(u.urlopen("http://127.0.0.1:8765/predict", sys.stdin.buffer.read()).read().decode())
"""


@pytest.fixture(scope="module")
def net() -> Network:
    return Network(NetSpec.model_validate(NET))


@pytest.fixture(scope="module")
def image(net: Network, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build the image of a box, with a bundle of this net inside."""
    key = SigningKey.new()
    made = bundle(Model(net.spec, net.init(0), {}), profile("x86"), key, name="small")
    folder = tmp_path_factory.mktemp("box")
    (folder / "small.pyz").write_bytes(standalone(made, key.public))
    shutil.copy(ROOT / "deploy" / "jetson" / "Dockerfile", folder)
    docker("build", "--build-arg", "BUNDLE=small.pyz", "--tag", "convq-test:box", str(folder))
    return "convq-test:box"


@pytest.fixture
def box(service: Service, image: str) -> Iterator[str]:
    service.up()
    with service.client() as client:
        token = client.edge_token("gate")
    name = f"{service.project}-box"
    confined = ["--read-only", "--memory", "256m", "--cap-drop", "ALL"]
    confined += ["--security-opt", "no-new-privileges", "--network", f"{service.project}_front"]
    told = ["--server", "http://proxy:8000", "--group", "gate", "--token", token]
    told += ["--input", "http:8765", "--poll", "1", "--report", "1"]
    docker("run", "--detach", "--name", name, *confined, image, *told)
    yield name
    docker("rm", "--force", "--volumes", name)


def test_a_box_predicts_and_delivers(
    service: Service, box: str, net: Network, tmp_path: Path
) -> None:
    with service.client() as client:
        wait_until(lambda: bool(client.edge_boxes("gate")), "the box has enrolled")
        x = np.random.default_rng(0).normal(size=(1, 9, 8)).astype(np.float32)
        file = io.BytesIO()
        np.save(file, x)
        asked = ["exec", "--interactive", box, "python3", "-c", ASK]
        answer = json.loads(docker(*asked, stdin=file.getvalue()))
        (expected,) = net.run(net.init(0), x[None])
        np.testing.assert_allclose(answer["output"], expected, rtol=1e-4, atol=1e-5)
        wait_until(lambda: bool(list(client.edge_results("gate"))), "its result has arrived")
        (delivered,) = client.edge_results("gate")
        lines = client.download_artifact(delivered.artifact, tmp_path / "results.jsonl")
        (line,) = lines.read_text().splitlines()
        assert json.loads(line)["output"] == answer["output"]
