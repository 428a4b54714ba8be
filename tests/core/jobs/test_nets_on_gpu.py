"""Jobs of nets on the GPU of a worker: CuPy's stand-in."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.conv.cuda import kept
from core.conv.device import cpu, gpu
from core.errors import InvalidInput, Unavailable
from core.jobs import embed, predict, train
from core.jobs.kind import Planning
from core.jobs.run import Continued, Run
from core.nets.model import load
from tests.core.conv.cuda import capture

DEVICE = gpu("a stand-in")
TENSOR = gpu("with tensor cores", capability=(9, 0))


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with capture.nets(tmp_path_factory.mktemp("none")) as (_, found):
        yield found


def weights_of(trainings: Any, run: Run, folder: Path) -> dict[str, np.ndarray]:
    path = folder / "model"
    path.write_bytes(trainings.result(run, "model.safetensors"))
    return load(path).weights


def interrupt(run: Run, after: int) -> None:
    check = run.check

    def interrupting() -> None:
        nonlocal after
        after -= 1
        if after < 0:
            raise Continued("enough")
        check()

    run.check = interrupting  # type: ignore[method-assign]


def test_a_training_goes_on_on_a_worker_with_a_gpu(
    trainings: Any, recorder: Any, tmp_path: Path
) -> None:
    saved: list[str] = []

    def keep(digest: str) -> bool:
        saved.append(digest)
        return True

    options = {"epochs": 3, "batch": 16, "ema": 0.9}
    begun = trainings.spec(trainings.data(), options=options, device="cpu")
    spec = begun.model_copy(update={"device": "gpu"})
    first = trainings.make_run(begun, keep=keep, gpu=DEVICE)
    interrupt(first, after=8)
    before = recorder.launches
    with pytest.raises(Continued):
        train.run(begun, first)
    assert (first.plan, recorder.launches) == (None, before)
    second = trainings.run(spec, gpu=DEVICE, resumes_from=saved[-1])
    assert recorder.launches > before
    assert second.plan["device"]["name"] == "a stand-in"
    assert second.plan["on_gpu"] == {"resident": True, "without_graphs": None}
    found = weights_of(trainings, second, tmp_path)
    for name, weight in weights_of(trainings, trainings.run(begun), tmp_path).items():
        np.testing.assert_allclose(found[name], weight, rtol=2e-3, atol=2e-4)


def test_the_plan_says_where_and_why(trainings: Any) -> None:
    def plan(device: str, there: Any = DEVICE, **options: Any) -> dict[str, Any]:
        options = {"epochs": 3, "batch": 16} | options
        spec = trainings.spec(trainings.data(), options=options, device=device)
        return train.plan(spec, Planning(trainings.artifacts, {}, cpu(), 1 << 32, gpu=there))

    assert "device" not in plan("auto", None)
    assert "device" not in plan("cpu")
    # So small a net is learned before a device has launched its kernels.
    both = plan("auto")
    assert both["device"] == {"kind": "cpu", "name": cpu().name}
    assert both["seconds"] == plan("cpu")["seconds"] < plan("gpu")["seconds"]
    assert "on the GPU" in both["why"]
    assert "on the processor" in both["why"]
    assert plan("gpu", precision="mixed")["device"]["kind"] == "gpu"
    with pytest.raises(InvalidInput, match=r"options\.precision"):
        plan("auto", precision="mixed")
    with pytest.raises(Unavailable):
        plan("gpu", None)
    # What is multiplied, there: tensor cores take what is allowed.
    for on, there, precision, products in [
        ("gpu", TENSOR, "tf32", "tf32"),
        ("gpu", TENSOR, "mixed", "float16"),
        ("gpu", TENSOR, "float32", "float32"),
        ("gpu", DEVICE, "tf32", "float32"),
        ("cpu", TENSOR, "tf32", "float32"),
    ]:
        assert plan(on, there, precision=precision)["products"] == products


def test_mixed_precision_keeps_its_scale_in_checkpoints(trainings: Any, recorder: Any) -> None:
    options = {"epochs": 2, "batch": 16, "precision": "mixed"}
    spec = trainings.spec(trainings.data(), options=options, device="gpu")
    saved: list[str] = []
    run = trainings.make_run(spec, gpu=DEVICE, keep=lambda digest: saved.append(digest) or True)
    interrupt(run, after=15)
    with pytest.raises(Continued):
        train.run(spec, run)
    run = trainings.run(spec, gpu=DEVICE, resumes_from=saved[-1])
    figures = json.loads(trainings.result(run, "metrics.json"))
    assert figures["history"][-1]["loss"] < figures["history"][0]["loss"]


def test_predictions_and_codes_are_those_of_the_processor(
    trainings: Any, works: Any, recorder: Any
) -> None:
    trained = trainings.run(trainings.spec(trainings.data()))
    (model,) = [e["digest"] for e in trained.results if e["name"] == "model.safetensors"]
    images = works.upload(np.random.default_rng(1).normal(size=(40, 1, 8, 8)).astype("float32"))

    def done(kind: Any, device: str, **fields: Any) -> tuple[Run, bytes]:
        body = {"kind": kind.KIND.name, "model": model, "inputs": [images], "device": device}
        spec = kind.KIND.spec.model_validate(body | fields)
        run = works.make_run(kind.KIND.name, spec)
        run.gpu = DEVICE
        kind.run(spec, run)
        return run, works.artifacts.read(run.results[0]["digest"])

    kept.drop()
    fields = {"output": "raw", "format": "npy"}
    found, expected = (
        np.load(io.BytesIO(done(predict, device, **fields)[1])) for device in ("gpu", "cpu")
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not np.array_equal(found, np.zeros_like(found))
    # Filters are there for the next batch.
    assert kept.drop()
    # Each convolution may be rounded as its job says.
    for kind, given in ((predict, fields), (embed, {"layer": "flatten1"})):
        for precision in ({"precision": "tf32"}, {}):
            with capture.precisions() as rounded:
                done(kind, "gpu", **given, **precision)
            assert {allowed for _, allowed in rounded} == {precision.get("precision", "float32")}
            body = {"kind": kind.KIND.name, "model": model, "inputs": [images], "device": "gpu"}
            spec = kind.KIND.spec.model_validate(body | given | precision)
            inputs = {digest: works.artifacts.get(digest) for digest in kind.references(spec)}
            planning = Planning(works.artifacts, inputs, cpu(), 1 << 32, gpu=TENSOR)
            assert kind.plan(spec, planning)["products"] == precision.get("precision", "float32")
    kept.drop()
    # What is compared with other jobs' outputs is computed where these are, unless asked.
    layer = {"layer": "flatten1"}
    assert done(embed, "auto", **layer)[1] == done(embed, "cpu", **layer)[1]
