"""The JSON side of the presets."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from core.kernels import PRESETS, PresetKernel

ADAPTER: TypeAdapter[Any] = TypeAdapter(PresetKernel)

NAMES = [
    "identity",
    "box",
    "gaussian",
    "sharpen",
    "unsharp",
    "emboss",
    "edge",
    "laplacian",
    "laplacian-of-gaussian",
    "sobel-x",
    "sobel-y",
    "sobel-magnitude",
    "prewitt",
    "scharr",
    "gabor",
    "motion-blur",
    "disk",
]


class Spec(BaseModel):
    kernel: PresetKernel


class Values(BaseModel, extra="forbid"):
    values: list[list[float]]


class WiderSpec(BaseModel):
    kernel: PresetKernel | Values


def test_all_names_are_there_once() -> None:
    assert sorted(preset.name for preset in PRESETS) == sorted(NAMES)


def test_the_union_holds_every_preset() -> None:
    union, _ = get_args(PresetKernel)
    assert list(get_args(union)) == [preset.parameters for preset in PRESETS]


def test_the_json_is_flat() -> None:
    spec = Spec.model_validate_json('{"kernel": {"preset": "gaussian", "sigma": 2}}')
    assert spec.kernel.preset == "gaussian"
    assert spec.model_dump(mode="json") == {
        "kernel": {"preset": "gaussian", "sigma": 2.0, "truncate": 4.0}
    }


def test_the_union_stands_beside_other_kernels() -> None:
    assert WiderSpec.model_validate({"kernel": {"preset": "edge"}}).kernel.preset == "edge"
    assert WiderSpec.model_validate({"kernel": {"values": [[1.0]]}}).kernel == Values(
        values=[[1.0]]
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"preset": "gausian"},
        {"sigma": 2},
        {"preset": "gaussian", "sigma": 0},
        {"preset": "gaussian", "sigma": "2"},
        {"preset": "gaussian", "sigma": float("nan")},
        {"preset": "gaussian", "sigma": 2, "size": 3},
        {"preset": "box", "size": 4097},
        {"preset": "box", "size": 2.5},
        {"preset": "identity", "size": 2},
        {"preset": "scharr", "direction": "z"},
        {"preset": "edge", "strength": 1},
    ],
)
def test_bad_parameters_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(bad)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_parameter_is_described_and_bounded(preset: Any) -> None:
    properties = preset.parameters.model_json_schema()["properties"]
    for name, facts in properties.items():
        if name == "preset":
            assert facts["const"] == preset.name
            continue
        assert facts["description"]
        assert "default" in facts
        text = json.dumps(facts)
        assert "enum" in text or ("inimum" in text and "aximum" in text)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_the_description_is_json(preset: Any) -> None:
    facts = json.loads(json.dumps(preset.describe(), allow_nan=False))
    assert facts["name"] == preset.name
    assert facts["array"] == preset.default().stack.tolist()
    assert facts["parameters"]["required"] == ["preset"]
    assert facts["dimensions"] == list(preset.dimensions)


def test_openapi_has_a_discriminator() -> None:
    schema = Spec.model_json_schema()["properties"]["kernel"]
    assert schema["discriminator"]["propertyName"] == "preset"
    assert set(schema["discriminator"]["mapping"]) == set(NAMES)
