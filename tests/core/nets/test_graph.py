"""Names, sources and shapes of a net, and what is said about a wrong one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import InvalidInput
from core.nets.graph import INPUT, build
from core.nets.layers import LAYERS
from core.nets.spec import NetSpec


def spec(shape: list[int], *layers: dict[str, Any]) -> NetSpec:
    return NetSpec.model_validate({"input": shape, "layers": list(layers)})


def test_layers_are_named_by_kind_and_number_and_read_the_one_before() -> None:
    nodes = build(
        spec(
            [1, 8, 8],
            {"layer": "conv", "filters": 2, "kernel": 3},
            {"layer": "relu"},
            {"layer": "conv", "filters": 3, "kernel": 3, "name": "top"},
            {"layer": "conv", "filters": 4, "kernel": 1},
            {"layer": "add", "inputs": ["conv3", "conv3"]},
        )
    )
    assert [node.name for node in nodes] == ["conv1", "relu1", "top", "conv3", "add1"]
    assert [node.sources for node in nodes] == [(INPUT,), (0,), (1,), (2,), (3, 3)]
    assert nodes[2].shape == (3, 4, 4)


def test_gradients_are_wanted_only_above_something_that_learns() -> None:
    nodes = build(
        spec(
            [1, 8, 8],
            {"layer": "standardize", "mean": 0.0, "std": 2.0},
            {"layer": "conv", "filters": 2, "kernel": 3},
            {"layer": "relu"},
        )
    )
    assert [(node.learns, node.wanted) for node in nodes] == [
        (False, False),
        (True, False),
        (True, True),
    ]


@pytest.mark.parametrize(
    ("layers", "field", "words"),
    [
        (
            [{"layer": "relu", "name": "a"}, {"layer": "relu", "name": "a"}],
            "layers.1.name",
            "called a",
        ),
        ([{"layer": "relu"}, {"layer": "relu", "name": "relu1"}], "layers.1.name", "relu1"),
        ([{"layer": "relu", "name": "input"}], "layers.0.name", "own input"),
        ([{"layer": "relu", "inputs": ["x"]}], "layers.0.inputs", "no such layer"),
        ([{"layer": "relu", "inputs": ["relu2"]}, {"layer": "relu"}], "layers.0.inputs", "before"),
        ([{"layer": "relu", "inputs": ["relu1"]}], "layers.0.inputs", "earlier"),
        ([{"layer": "relu", "inputs": ["input", "input"]}], "layers.0.inputs", "one input"),
        ([{"layer": "relu"}, {"layer": "tanh", "inputs": ["input"]}], "layers.0", "relu1"),
        (
            [{"layer": "relu"}, {"layer": "conv", "filters": 1, "kernel": 9}],
            "layers.1.kernel",
            r"conv1 cannot take the shape \(2, 8, 8\)",
        ),
        ([{"layer": "dense", "features": 2}], "layers.0.inputs", r"dense1 .* \(2, 8, 8\)"),
        (
            [{"layer": "flatten"}, {"layer": "embedding", "vocabulary": 3, "features": 2}],
            "layers.1.inputs",
            "embedding1 reads words",
        ),
    ],
)
def test_a_wrong_net_is_refused_by_layer_and_field(layers, field, words) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        build(spec([2, 8, 8], *layers))
    assert caught.value.field == field
    assert caught.value.accepted


def test_words_are_read_by_embeddings_only() -> None:
    embedding = {"layer": "embedding", "vocabulary": 3, "features": 2}
    with pytest.raises(InvalidInput, match="relu1 cannot read the input"):
        build(
            spec(
                [4],
                embedding,
                {"layer": "flatten"},
                {"layer": "relu", "inputs": ["input"]},
                {"layer": "concatenate", "inputs": ["flatten1", "relu1"]},
            )
        )


@pytest.mark.parametrize("shape", [[], [0, 4], [1, 2, 3, 4, 5], [1.5], "28"])
def test_an_impossible_input_is_refused(shape) -> None:
    with pytest.raises(ValidationError):
        spec(shape, {"layer": "relu"})


def test_every_layer_can_be_described() -> None:
    kinds = NetSpec.model_json_schema()["properties"]["layers"]["items"]["discriminator"]["mapping"]
    assert sorted(kinds) == sorted(layer.name for layer in LAYERS)


def test_layers_that_keep_state_see_the_whole_batch() -> None:
    # Groups would each write an update of their own.
    net = build(spec([2, 8, 8], {"layer": "batch_norm"}))
    assert net[0].state
    assert net[0].layer.whole_batch
