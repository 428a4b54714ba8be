"""Architectures are those of their papers, and they learn."""

from __future__ import annotations

import tracemalloc
from typing import Any, get_args

import numpy as np
import pytest

from core.errors import InvalidInput
from core.nets.architectures import ARCHITECTURES, AnyArchitecture, architecture_of
from core.nets.architectures.architecture import Architecture
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.losses.loss import LossSpec
from core.nets.losses.mse import MseSpec
from core.nets.network import Network

WORDS = 50
REQUIRED = {"kim": {"vocabulary": WORDS}}
by_name = pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)


def built(architecture: Architecture[Any], shape=None, outputs=None, **options: Any) -> Network:
    choices = REQUIRED.get(architecture.name, {}) | options | {"architecture": architecture.name}
    spec = architecture.spec.model_validate(choices)
    assert architecture_of(spec) is architecture
    shape, outputs = shape or architecture.input, outputs or architecture.outputs
    return Network(architecture.build(spec, shape, outputs))


def named(name: str) -> Architecture[Any]:
    return next(architecture for architecture in ARCHITECTURES if architecture.name == name)


def batch(network: Network, images: int) -> tuple[np.ndarray, np.ndarray, LossSpec]:
    random = np.random.default_rng(0)
    if network.nodes[0].layer.words:
        x = random.integers(0, WORDS, (images, *network.input_shape))
    else:
        x = random.standard_normal((images, *network.input_shape), np.float32)
    (classes, *rest) = network.output_shape
    if rest or classes == 1:
        y = random.standard_normal((images, *network.output_shape), np.float32)
        return x, y, MseSpec(loss="mse")
    return x, random.integers(0, classes, images), CrossEntropySpec(loss="cross_entropy")


# Convolutions: filters * (kernel * channels + 1); dense layers: outputs * (inputs + 1).
COUNTS = {
    # LeCun et al. 1998 without the sparse connections of C3: 156 + 2416 + 48120 + 10164 + 850.
    "lenet5": 61_706,
    "small-cnn": 32 * 26 + 64 * (25 * 32 + 1) + 10 * (64 * 4 * 4 + 1),
    # 27 million connections and 250 thousand parameters in the paper.
    "pilotnet": 252_219,
    "kim": WORDS * 300 + 100 * ((3 + 4 + 5) * 300 + 3) + 2 * 301,
    "go8": 64 * (49 * 8 + 1)
    + 2 * 64 * (25 * 64 + 1)
    + 48 * (25 * 64 + 1)
    + 48 * (25 * 48 + 1)
    + 32 * (25 * 48 + 1)
    + 32 * (25 * 32 + 1)
    + 361 * (32 * 361 + 1),
    "autoencoder": 16 * 10 + 8 * (9 * 16 + 1) + 16 * (4 * 8) + 16 + 16 * (4 * 16 + 1) + 9 * 16 + 1,
    # 0.27 million in the paper; its 1 x 1 shortcuts with their norms are 2,752 of them.
    "resnet-small": 269_722 + 2_752,
    "audio": 2 + 16 * 9 + 32 + 32 * 9 * 16 + 64 + 64 * 9 * 32 + 128 + 10 * 65,
}


@by_name
def test_the_parameters_are_as_many_as_stated(architecture) -> None:
    network = built(architecture)
    assert network.parameter_count == COUNTS[architecture.name]
    assert sum(w.size for n, w in network.init(0).items() if n in network.parameters) == (
        network.parameter_count
    )


def test_pilotnet_has_the_multiply_adds_of_the_paper() -> None:
    assert built(named("pilotnet")).multiply_adds == 26_876_342


def test_names_are_distinct_and_all_can_be_described() -> None:
    described = {
        spec.model_fields["architecture"].annotation
        for spec in get_args(get_args(AnyArchitecture)[0])
    }
    assert {get_args(name)[0] for name in described} == {a.name for a in ARCHITECTURES}
    assert len({a.name for a in ARCHITECTURES}) == len(ARCHITECTURES)


SMALL = {
    "lenet5": ((1, 20, 20), 10, {"activation": "tanh", "pooling": "average_pool"}),
    "small-cnn": ((1, 20, 20), 10, {"filters": [4, 8]}),
    "pilotnet": ((3, 66, 80), 1, {}),
    "kim": ((12,), 3, {"features": 8, "filters": 4}),
    "go8": ((7, 5, 5), 25, {}),
    "autoencoder": ((3, 16, 8), 3, {"edges": True}),
    "resnet-small": ((3, 16, 16), 10, {"blocks": 1}),
    "audio": ((1, 4000), 4, {"filters": [4, 8]}),
}


@by_name
def test_training_lowers_the_loss(architecture) -> None:
    shape, outputs, options = SMALL[architecture.name]
    network = built(architecture, shape, outputs, **options)
    assert network.output_shape == ((outputs,) if architecture.name != "autoencoder" else shape)
    weights = network.init(0)
    x, y, loss = batch(network, 20)
    losses = []
    for _ in range(12):
        step = network.step(weights, x, y, loss, seed=(0,))  # the same masks in every step
        assert step.gradients.keys() == network.parameters.keys()
        losses.append(step.loss)
        norm = np.sqrt(sum(float((g * g).sum()) for g in step.gradients.values()))
        for name, gradient in step.gradients.items():
            weights[name] = weights[name] - np.float32(0.1 / norm) * gradient
        weights |= step.updates
    assert losses[-1] < 0.97 * losses[0]
    found = network.run(weights, x)
    assert found.shape == (20, *network.output_shape)
    assert np.isfinite(found).all()


@by_name
@pytest.mark.parametrize("training", [False, True])
def test_the_memory_that_is_predicted_is_needed(architecture, training) -> None:
    network = built(architecture)
    x, y, loss = batch(network, 16 if network.multiply_adds > 5_000_000 else 128)
    weights = network.init(0)

    def work(network: Network) -> object:
        if training:
            return network.step(weights, x, y, loss, seed=(0,))
        return network.run(weights, x)

    work(built(architecture))  # kernels are compiled
    tracemalloc.start()
    try:
        work(network)
        measured = tracemalloc.get_traced_memory()[1] + sum(w.nbytes for w in weights.values())
    finally:
        tracemalloc.stop()
    assert measured / 2 < network.memory(len(x), training=training) < measured * 2


def test_a_picture_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(InvalidInput, match="multiples of 4"):
        built(named("autoencoder"), (1, 30, 28))


@by_name
def test_a_picture_that_is_too_small_is_refused_by_layer(architecture) -> None:
    shape = (1,) * len(architecture.input)
    if architecture.name in ("go8", "resnet-small"):  # are as large as what comes in
        assert built(architecture, shape).output_shape == (architecture.outputs,)
        return
    with pytest.raises(InvalidInput):
        built(architecture, shape)
