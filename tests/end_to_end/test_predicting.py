"""Train, register, predict by name and search, through a running service."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import convq
from convq.cli.app import app
from core.errors import ConvqError
from core.jobs.predict import PredictSpec
from core.nets.model import Model, dump, load
from core.nets.network import Network

pytestmark = pytest.mark.stack

LAYERS = [
    {"layer": "conv", "filters": 4, "kernel": 3},
    {"layer": "relu"},
    {"layer": "max_pool", "kernel": 2, "name": "code"},
    {"layer": "flatten"},
    {"layer": "dense", "features": 3},
]


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def check_documentation(client: convq.Client, x: Any, model: Model) -> None:
    """Run the examples of docs/predicting.md, with a model called digits."""
    client.register_model("digits", client.upload(dump(model)))
    client.set_alias("digits", "production", 1)
    np.save("images.npy", x[:6])
    page = (Path(__file__).parents[2] / "docs" / "predicting.md").read_text()
    predicting, searching = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(predicting, names)
    assert [len(image["top"]) for image in names["predictions"]["images"]] == [3] * 6
    exec(searching, names)
    (query,) = names["neighbours"]["queries"]
    assert query["neighbours"][0]["image"] == 0
    with np.load(io.BytesIO(client.result(names["made"], "index.npz", as_="bytes"))) as file:
        assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {
            *file.files, "output", "top", "layer", "format", "on", "precision",
        }  # fmt: skip
    for name, default, meaning in re.findall(
        r"^\| `(\w+)` \| (\w*) ?\| (.*) \|$", page, re.MULTILINE
    ):
        field = PredictSpec.model_fields[name]
        assert (default, meaning) == (str(field.default or ""), field.description)


def test_a_model_that_was_trained_is_used_by_its_name(
    client: convq.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (random.normal(size=(60, 8, 8)) + 2 * y[:, None, None]).astype(np.float32)
    data = client.upload(npz(x=x, y=y, classes=np.array(["low", "mid", "high"])))
    trained = client.wait(
        client.submit(
            "train",
            data=data.digest,
            model={"input": [1, 8, 8], "layers": LAYERS},
            options={"epochs": 2, "batch": 16},
        )
    )
    version = client.register_model("levels", trained)
    model = load(client.result(trained, "model.safetensors", as_=tmp_path / "model"))

    job = client.submit("predict", model=f"levels@{version.version}", inputs=[x[:5]], top=1)
    job = client.wait(job)
    job = client.wait(job)
    assert job.state == "succeeded"
    assert job.plan is not None
    assert (job.plan.model_extra or {})["model"] == version.digest
    found = json.loads(client.result(job, "predictions.json", as_="bytes"))["images"]
    expected = model.run(x[:5, None]).argmax(axis=1)
    assert [image["top"][0]["number"] for image in found] == expected.tolist()

    # The key stands for what was asked, even if the name means another file by now.
    asked: dict[str, Any] = {"model": "levels", "inputs": [x[:5]], "idempotency_key": "again"}
    first = client.submit("predict", **asked)
    other = Model(model.spec, Network(model.spec).init(seed=0), model.about)
    client.register_model("levels", client.upload(dump(other)))
    assert client.submit("predict", **asked).id == first.id

    with pytest.raises(ConvqError, match="no such version") as caught:
        client.submit("predict", model="levels@99", inputs=[x[:5]])
    assert caught.value.field == "model"

    monkeypatch.setenv("CONVQ_URL", client.url)
    monkeypatch.chdir(tmp_path)
    check_documentation(client, x, model)
    np.save("x.npy", x)
    np.save("one.npy", x[7])
    run = CliRunner().invoke
    shown = run(app, ["predict", "levels", "one.npy", "--top", "2"])
    assert shown.exit_code == 0, shown.output
    assert "PROBABILITY" in shown.stdout
    assert run(app, ["embed", "levels", "x.npy", "--out", "."]).exit_code == 0
    shown = run(app, ["search", "index.npz", "one.npy", "-k", "2", "--out", "."])
    assert shown.exit_code == 0, shown.output
    near = json.loads(Path("neighbours.json").read_text())["queries"][0]["neighbours"]
    assert (near[0]["image"], len(near)) == (7, 2)
    assert "x.npy:7" in shown.stdout
