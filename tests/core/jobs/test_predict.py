"""The job kind ``predict``, from Spec to stored results, without a queue."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
from numpy.typing import NDArray
from pydantic import ValidationError

from core.conv.device import cpu
from core.errors import Cancelled, InvalidInput, TooLarge, UnsupportedMedia
from core.jobs import predict
from core.jobs.kind import Planning
from core.jobs.predict import PredictSpec
from core.jobs.run import Run
from core.media import NPY, PNG, WAV, encode, inspect
from core.nets.model import Model, dump
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.store.artifacts import ArtifactStore

RNG = np.random.default_rng(0)
LAYERS = [
    {"layer": "conv", "filters": 3, "kernel": 3, "name": "first"},
    {"layer": "relu"},
    {"layer": "flatten"},
    {"layer": "dense", "features": 4},
]
CLASSES = ["ant", "bee", "cat", "dog"]
X = RNG.integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)


def make_model(
    layers: list[Any] = LAYERS, shape: tuple[int, ...] = (1, 8, 8), **about: Any
) -> Model:
    spec = NetSpec.model_validate({"input": list(shape), "layers": layers})
    return Model(spec, Network(spec).init(seed=1), {"classes": CLASSES} | about)


class Bench:
    """Uploads models and inputs, plans and runs a job in this process."""

    def __init__(self, artifacts: ArtifactStore, scratch: Path) -> None:
        self.artifacts = artifacts
        self.scratch = scratch

    def put(self, data: bytes) -> str:
        info = inspect(data)
        return self.artifacts.put(data, info.media_type, info.shape, info.dtype).digest

    def spec(self, model: Model, inputs: list[bytes], **fields: Any) -> PredictSpec:
        named = [{"artifact": self.put(x), "name": f"{n}.x"} for n, x in enumerate(inputs)]
        body = {"kind": "predict", "model": self.put(dump(model)), "inputs": named}
        return PredictSpec.model_validate(body | fields)

    def plan(self, spec: PredictSpec, memory_cap: int = 1 << 32) -> dict[str, Any]:
        inputs = {digest: self.artifacts.get(digest) for digest in predict.references(spec)}
        return predict.plan(spec, Planning(self.artifacts, inputs, cpu(), memory_cap))

    def make_run(self, spec: PredictSpec, memory_cap: int = 1 << 32) -> Run:
        return Run(
            artifacts=self.artifacts,
            device=cpu(),
            memory_cap=memory_cap,
            scratch=self.scratch,
            total=predict.items(spec),
        )

    def run(self, spec: PredictSpec) -> Run:
        run = self.make_run(spec)
        predict.run(spec, run)
        return run

    def result(self, run: Run, name: str) -> bytes:
        (digest,) = [entry["digest"] for entry in run.results if entry["name"] == name]
        return self.artifacts.read(digest)

    def images(self, run: Run) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.result(run, "predictions.json"))["images"]
        return found


@pytest.fixture
def bench(artifacts: ArtifactStore, tmp_path: Path) -> Bench:
    return Bench(artifacts, tmp_path)


def npy(array: NDArray[Any]) -> bytes:
    return encode(array, NPY)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_the_best_classes_of_pictures_and_arrays_are_those_of_the_net(bench: Bench) -> None:
    model = make_model()
    inputs = [
        encode(X[0, 0], PNG),
        npy(X[1:4]),
        npy(X[4, 0]),
        npy(X[5:7, 0]),
        npz(x=X[7:9, 0], y=[0, 1]),
    ]
    run = bench.run(bench.spec(model, inputs, top=2))
    y = model.run(X[:9].astype(np.float32))
    images = bench.images(run)
    assert [(i["input"], i["image"]) for i in images] == [
        ("0.x", 0), ("1.x", 0), ("1.x", 1), ("1.x", 2), ("2.x", 0), ("3.x", 0), ("3.x", 1),
        ("4.x", 0), ("4.x", 1),
    ]  # fmt: skip
    for image, logits in zip(images, y, strict=True):
        order = np.argsort(logits)[::-1][:2]
        assert [entry["class"] for entry in image["top"]] == [CLASSES[n] for n in order]
        np.testing.assert_allclose(
            [entry["probability"] for entry in image["top"]],
            scipy.special.softmax(logits.astype(float))[order],
            rtol=1e-5,
            atol=1e-6,
        )
    assert (run.progress.done, run.progress.failed) == (5, 0)


def test_outputs_that_are_probabilities_stay_as_they_are(bench: Bench) -> None:
    model = make_model([*LAYERS, {"layer": "softmax"}])
    run = bench.run(bench.spec(model, [npy(X[:5])], top=1000))
    found = [[entry["probability"] for entry in image["top"]] for image in bench.images(run)]
    expected = np.sort(model.run(X[:5]), axis=1)[:, ::-1]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("layer", ["first", "flatten1", None])
def test_features_and_raw_outputs_are_those_of_the_layer(bench: Bench, layer: str | None) -> None:
    model = make_model()
    output = "raw" if layer is None else "features"
    spec = bench.spec(model, [npy(X), npy(X[:1])], output=output, layer=layer, format="npy")
    run = bench.run(spec)
    found = np.load(io.BytesIO(bench.result(run, "predictions.npy")))
    expected = model.run(np.concatenate([X, X[:1]]), output=layer)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    assert run.results[0]["shape"] == list(expected.shape)
    rows = list(csv.DictReader(io.StringIO(bench.result(run, "images.csv").decode())))
    assert len(rows) == 301
    assert (rows[299]["input"], rows[299]["image"]) == ("0.x", "299")
    assert (rows[300]["input"], rows[300]["image"]) == ("1.x", "0")
    planned = bench.plan(spec)
    assert (planned["images"], planned["shape"]) == (301, list(expected.shape[1:]))


def test_csv_and_json_say_the_same_as_npy(bench: Bench) -> None:
    model, inputs = make_model(), [npy(X[:3])]
    expected = model.run(X[:3], output="first")
    fields = {"output": "features", "layer": "first"}
    as_json = bench.run(bench.spec(model, inputs, **fields))
    lists = [image["output"] for image in bench.images(as_json)]
    np.testing.assert_allclose(lists, expected, rtol=1e-5)
    as_csv = bench.run(bench.spec(model, inputs, format="csv", **fields))
    rows = list(csv.reader(io.StringIO(bench.result(as_csv, "predictions.csv").decode())))
    assert rows[0][:3] == ["input", "image", "y0"]
    numbers = np.array([row[2:] for row in rows[1:]], float)
    np.testing.assert_allclose(numbers, expected.reshape(3, -1), rtol=1e-5)


def test_classes_as_csv_and_npy(bench: Bench) -> None:
    model = make_model()
    best = np.argsort(-model.run(X[:3]), axis=1)[:, :3]
    run = bench.run(bench.spec(model, [npy(X[:3])], top=3, format="csv"))
    rows = list(csv.DictReader(io.StringIO(bench.result(run, "predictions.csv").decode())))
    assert [int(row["number"]) for row in rows] == best.ravel().tolist()
    assert [row["class"] for row in rows] == [CLASSES[n] for n in best.ravel()]
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 3
    run = bench.run(bench.spec(model, [npy(X[:3])], top=3, format="npy"))
    found = np.load(io.BytesIO(bench.result(run, "predictions.npy")))
    np.testing.assert_array_equal(found, best)


def test_inputs_are_read_as_the_model_learned_them_unless_the_job_says_otherwise(
    bench: Bench,
) -> None:
    picture = encode(RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8), PNG)
    as_learned = {"lineage": {"spec": {"reading": {"resize": [8, 8], "colour": "grey"}}}}
    learned = bench.run(bench.spec(make_model(**as_learned), [picture, npy(X[:1])], top=4))
    reading = {"resize": [8, 8], "colour": "grey"}
    said = bench.run(bench.spec(make_model(), [picture], reading=reading, top=4))
    assert bench.images(learned)[0]["top"] == bench.images(said)[0]["top"]
    with pytest.raises(InvalidInput, match="no images for this model") as caught:
        bench.plan(bench.spec(make_model(), [picture]))
    assert (caught.value.field, caught.value.given) == ("inputs", "shape (3, 20, 30)")


def test_words_have_the_numbers_that_the_model_learned(bench: Bench) -> None:
    layers = [
        {"layer": "embedding", "vocabulary": 4, "features": 3},
        {"layer": "flatten"},
        {"layer": "dense", "features": 4},
    ]
    vocabulary = ["<padding>", "<unknown>", "good", "film"]
    model = make_model(layers, (3,), data={"vocabulary": vocabulary})
    spec = bench.spec(model, [b"text\nFilm good\na film\n"], output="raw", format="npy")
    assert bench.plan(spec)["images"] == 2
    found = np.load(io.BytesIO(bench.result(bench.run(spec), "predictions.npy")))
    expected = model.run(np.array([[3, 2, 0], [1, 3, 0]], np.int32))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidInput, match="this model reads texts"):
        bench.plan(bench.spec(model, [b"label\n1\n"]))


def test_sounds_of_another_rate_are_refused(bench: Bench) -> None:
    layers = [{"layer": "flatten"}, {"layer": "dense", "features": 4}]
    model = make_model(layers, (1, 50), data={"sample_rate": 8000})
    sound = RNG.normal(size=50).astype(np.float32) / 8
    good, bad = (encode(sound, WAV, extra={"sample_rate": rate}) for rate in (8000, 16000))
    run = bench.run(bench.spec(model, [good, bad], output="raw"))
    (image,) = bench.images(run)
    np.testing.assert_allclose(image["output"], model.run(sound[None, None])[0], rtol=1e-4)
    (failure,) = run.failures
    assert (failure["name"], failure["given"]) == ("1.x", "'16000 Hz'")


def test_an_input_that_cannot_be_read_fails_alone(bench: Bench) -> None:
    bad = npy(np.full((1, 8, 8), np.nan, np.float32))
    spec = bench.spec(make_model(), [npy(X[0]), b"what?", npy(X[:2, :, :5]), bad, npy(X[1:2])])
    assert bench.plan(spec)["failing"] == 2
    run = bench.run(spec)
    assert [image["input"] for image in bench.images(run)] == ["0.x", "4.x"]
    assert [failure["name"] for failure in run.failures] == ["1.x", "2.x", "3.x"]
    assert (run.progress.done, run.progress.failed) == (5, 3)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"output": "features"}, "layer"),
        ({"layer": "first"}, "layer"),
        ({"output": "features", "layer": "nowhere"}, "layer"),
        ({"reading": {"words": 3}}, "data.words"),
    ],
)
def test_what_does_not_suit_is_known_before(
    bench: Bench, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        bench.plan(bench.spec(make_model(), [npy(X)], **fields))
    assert caught.value.field == field


def test_a_model_without_classes_gives_raw_outputs_only(bench: Bench) -> None:
    model = make_model(classes=None)
    with pytest.raises(InvalidInput, match="knows no classes"):
        bench.plan(bench.spec(model, [npy(X)]))
    assert bench.plan(bench.spec(model, [npy(X)], output="raw"))["images"] == 300


def test_too_much_is_refused_before_and_while_it_runs(bench: Bench) -> None:
    spec = bench.spec(make_model(), [npy(X)] * 40, output="features", layer="first")
    with pytest.raises(TooLarge, match="more memory"):
        bench.plan(spec, memory_cap=4 << 20)
    with pytest.raises(TooLarge, match="more memory"):
        predict.run(spec, bench.make_run(spec, memory_cap=4 << 20))


def test_a_file_without_a_net_is_no_model(bench: Bench) -> None:
    spec = bench.spec(make_model(), [npy(X)])
    broken = spec.model_copy(update={"model": bench.put(b"hello")})
    with pytest.raises(UnsupportedMedia):
        bench.plan(broken)


def test_a_cancelled_prediction_stores_nothing(bench: Bench) -> None:
    spec = bench.spec(make_model(), [npy(X)])
    run = bench.make_run(spec)
    run.ask_to_stop("cancel")
    with pytest.raises(Cancelled):
        predict.run(spec, run)
    assert run.results == []


@pytest.mark.parametrize("model", ["", "a b", "digits@", "sha256:123", "@3", "a@b@c"])
def test_what_is_no_reference_is_no_job(model: str) -> None:
    with pytest.raises(ValidationError):
        PredictSpec.model_validate(
            {"kind": "predict", "model": model, "inputs": ["sha256:" + "0" * 64]}
        )


def test_a_name_is_pinned_to_what_it_means_now() -> None:
    digest = "sha256:" + "1" * 64
    body = {"kind": "predict", "model": "digits@production", "inputs": ["sha256:" + "0" * 64]}
    asked: list[str] = []
    pinned = predict.KIND.pin(
        PredictSpec.model_validate(body), lambda ref: asked.append(ref) or digest
    )
    assert (pinned.model, asked) == (digest, ["digits@production"])
    assert predict.KIND.pin(pinned, lambda ref: pytest.fail(ref)) == pinned
