"""Model files: what goes in comes out, and everything else is refused."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from core.errors import ConvqError, InvalidInput, TooLarge, UnsupportedMedia
from core.nets import model as model_file
from core.nets.model import Model, dump, load, save
from core.nets.network import Network
from core.nets.spec import NetSpec

LAYERS: list[dict[str, Any]] = [
    {"layer": "conv", "filters": 3, "kernel": 3, "name": "first"},
    {"layer": "batch_norm"},
    {"layer": "relu"},
    {"layer": "flatten"},
    {"layer": "dense", "features": 2},
]
ABOUT = {
    "classes": ["cat", "dog"],
    "metrics": {"accuracy": 0.75, "epochs": 3},
    "lineage": {"job": "j", "data": "sha256:0", "convq": "0.1.0"},
}


@pytest.fixture(scope="module")
def model() -> Model:
    spec = NetSpec.model_validate({"input": [1, 6, 6], "layers": LAYERS})
    return Model(spec, Network(spec).init(seed=0), ABOUT)


@pytest.fixture
def path(model: Model, tmp_path: Path) -> Path:
    save(model, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_what_goes_in_comes_out(model: Model, path: Path) -> None:
    found = load(path)
    assert (found.spec, found.about, found.classes) == (model.spec, ABOUT, ("cat", "dog"))
    assert found.weights.keys() == model.weights.keys()
    for name, array in model.weights.items():
        assert found.weights[name].dtype == np.float32
        np.testing.assert_array_equal(found.weights[name], array)
    x = np.random.default_rng(1).standard_normal((4, 1, 6, 6)).astype(np.float32)
    np.testing.assert_array_equal(found.run(x), model.run(x))
    assert found.run(x, output="first").shape == (4, 3, 4, 4)


def test_the_same_model_gives_the_same_bytes(model: Model, path: Path) -> None:
    backwards = {name: model.weights[name] for name in reversed(model.weights)}
    about = {name: ABOUT[name] for name in reversed(ABOUT)}
    assert dump(Model(model.spec, backwards, about)) == path.read_bytes()
    assert dump(load(path)) == path.read_bytes()


def test_weights_that_are_not_contiguous_are_written_as_they_read(
    model: Model, tmp_path: Path
) -> None:
    turned = np.asfortranarray(model.weights["dense1.weight"])
    save(replace(model, weights=model.weights | {"dense1.weight": turned}), tmp_path / "m")
    np.testing.assert_array_equal(load(tmp_path / "m").weights["dense1.weight"], turned)


def test_weights_that_are_no_numbers_are_told(model: Model, tmp_path: Path) -> None:
    bad = model.weights["first.bias"].copy()
    bad[1] = np.nan
    save(replace(model, weights=model.weights | {"first.bias": bad}), tmp_path / "m")
    assert load(tmp_path / "m").nonfinite == ("first.bias",)
    assert model.nonfinite == ()


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, -4])
def test_truncated_files_are_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UnsupportedMedia, match="damaged"):
        load(path)


def test_other_files_are_refused(path: Path, model: Model) -> None:
    for data in (b"\x89PNG\r\n\x1a\n" * 20, b"PK\x03\x04" + bytes(100), b"\x80\x04cos\nsystem\n"):
        path.write_bytes(data)
        with pytest.raises(UnsupportedMedia):
            load(path)
    save_file(model.weights, path)
    with pytest.raises(UnsupportedMedia, match="without a net"):
        load(path)


@settings(max_examples=200)
@given(data=st.data())
def test_damage_gives_errors_of_ours(
    model: Model, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    whole = bytearray(dump(model))
    header = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, header - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    with suppress(ConvqError):
        load(path)


def rewritten(path: Path, model: Model, **changed: Any) -> None:
    """Write a file whose document is changed."""
    document = {"format": 1, "spec": model.spec.model_dump(mode="json"), "about": {}} | changed
    save_file(model.weights, path, {"convq": json.dumps(document)})


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"format": 2}, "model.format"),
        ({"spec": {}}, "spec.input"),
        ({"spec": {"input": [4], "layers": [{"layer": "lstm"}]}}, "spec.layers.0"),
        ({"spec": {"input": [4], "layers": [{"layer": "conv", "filters": 1, "kernel": 3}]}},
         "layers.0"),
        ({"about": []}, "model"),
        ({"about": {"classes": ["one"]}}, "about.classes"),
        ({"about": {"classes": "ab"}}, "about.classes"),
        ({"about": {"metrics": {"loss": "low"}}}, "about.metrics"),
        ({"about": {"metrics": {"loss": 10**400}}}, "about.metrics"),
        ({"about": {"metrics": {"loss": float("nan")}}}, "model"),
        ({"about": {"classes": ["\ud800"] * 2}}, "model"),
        ({"about": {"lineage": 3}}, "about.lineage"),
    ],
)  # fmt: skip
def test_documents_that_are_wrong_are_refused(
    path: Path, model: Model, changed: Any, field: str
) -> None:
    rewritten(path, model, **changed)
    with pytest.raises(InvalidInput) as caught:
        load(path)
    assert caught.value.field.startswith(field)


def test_documents_nested_without_end_are_refused(path: Path, model: Model) -> None:
    save_file(model.weights, path, {"convq": "[" * 200_000})
    with pytest.raises(UnsupportedMedia, match="damaged"):
        load(path)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"dense1.bias": None}, "missing"),
        ({"other": np.zeros(3, np.float32)}, "no such weight"),
        ({"dense1.bias": np.zeros(3, np.float32)}, r"shape \(3,\)"),
        ({"dense1.bias": np.zeros(2, np.float64)}, "F64|float64"),
        ({"dense1.bias": np.zeros(2, np.int32)}, "I32|int32"),
    ],
)
def test_weights_must_be_those_of_the_net(
    path: Path, model: Model, weights: Any, message: str
) -> None:
    other = {n: array for n, array in (model.weights | weights).items() if array is not None}
    with pytest.raises(InvalidInput, match=message):
        dump(replace(model, weights=other))
    document = {"format": 1, "spec": model.spec.model_dump(mode="json"), "about": {}}
    save_file(other, path, {"convq": json.dumps(document)})
    with pytest.raises(InvalidInput, match=message):
        load(path)


def test_what_is_no_json_is_not_written(model: Model) -> None:
    for about in ({"lineage": {"loss": float("nan")}}, {"lineage": {"when": object()}}):
        with pytest.raises(InvalidInput, match="about: cannot be written as JSON"):
            dump(replace(model, about=about))


def test_sizes_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_BYTES", "MAX_HEADER"):
        with monkeypatch.context() as patch:
            patch.setattr(model_file, name, 100)
            with pytest.raises(TooLarge):
                load(path)


@pytest.mark.parametrize("output", [None, "first"])
def test_few_images_go_through_a_prepared_net(model: Model, output: str | None) -> None:
    x = np.random.default_rng(1).standard_normal((20, 1, 6, 6)).astype(np.float32)
    for count in (1, 15, 16, 20):
        expected = model.network.run(model.weights, x[:count], output=output)
        np.testing.assert_allclose(model.run(x[:count], output=output), expected, atol=1e-5)
    prepared = model.network.prepared(model.weights, output=output)
    np.testing.assert_array_equal(model.run(x[:15], output=output), prepared.run(x[:15]))
    with pytest.raises(InvalidInput, match="no images"):
        model.run(np.zeros((0, 1, 6, 6), np.float32), output=output)
