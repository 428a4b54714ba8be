"""What tests of layers share: numbers without kinks, weights, and a check of gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from core.nets.layer import Context, Layer, LayerSpec
from core.nets.layers import LAYERS

BY_NAME = {layer.name: layer for layer in LAYERS}


@dataclass(frozen=True)
class Case:
    """A layer, its description, and all that goes into one call of it; nothing can be written to.

    Attributes
    ----------
    seed : int
        Of `Context.random`: the same draws in every call.
    """

    layer: Layer[Any]
    spec: LayerSpec
    inputs: list[np.ndarray]
    weights: dict[str, np.ndarray]
    state: dict[str, np.ndarray]
    training: bool = False
    seed: int = 0
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def context(self, *, wanted: bool = True) -> Context:
        return Context(training=self.training, seed=(self.seed,), state=self.state, wanted=wanted)

    def forward(self, inputs: Sequence[np.ndarray], weights: dict[str, np.ndarray]) -> np.ndarray:
        return self.layer.forward(self.spec, inputs, weights, self.context())[0]


def apart(random: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Return numbers in -2 to 2, no two of them close and none close to 0: far from every kink."""
    count = math.prod(shape)
    return ((random.permutation(count) + 0.25 - count // 2) * (4 / count)).reshape(shape)


def around(random: np.random.Generator, parameter: Any) -> np.ndarray:
    """Return what a parameter may look like; what starts with ones stays positive."""
    if parameter.init == "ones":
        return random.uniform(0.5, 1.5, parameter.shape)
    return random.standard_normal(parameter.shape) / np.sqrt(parameter.fan_in)


def build(
    example: dict[str, Any],
    images: int,
    seed: int,
    *,
    training: bool = False,
    dtype: str = "float64",
) -> Case:
    """Return the case of an example: ``spec``, ``shapes``, and ``integers`` if those come in."""
    random = np.random.default_rng(seed)
    layer = BY_NAME[example["spec"]["layer"]]
    spec = layer.spec.model_validate(example["spec"])
    shapes = [tuple(shape) for shape in example["shapes"]]

    def fixed(array: np.ndarray) -> np.ndarray:
        array.flags.writeable = False
        return array

    def incoming(shape: tuple[int, ...]) -> np.ndarray:
        # The middle of a larger batch, as a group of images is: not contiguous.
        wide = (*shape, images + 2)
        if "integers" in example:
            return fixed(random.integers(0, example["integers"], wide))[..., 1:-1]
        return fixed(apart(random, wide).astype(dtype))[..., 1:-1]

    def made(parameters: dict[str, Any]) -> dict[str, np.ndarray]:
        return {key: fixed(around(random, p).astype(dtype)) for key, p in parameters.items()}

    return Case(
        layer,
        spec,
        [incoming(shape) for shape in shapes],
        made(layer.parameters(spec, shapes)),
        made(layer.state(spec, shapes)),
        training,
        seed,
        shapes,
    )


def compare_with_differences(case: Case, *, rtol: float = 1e-6, step: float = 1e-5) -> None:
    """Compare a layer's gradients with central differences along random directions."""
    random = np.random.default_rng(case.seed + 1)
    y, backward = case.layer.forward(case.spec, case.inputs, case.weights, case.context())
    dy = random.standard_normal(y.shape)
    dy.flags.writeable = False
    from_inputs, from_weights = backward(dy)
    assert len(from_inputs) == len(case.inputs)
    assert from_weights.keys() == case.weights.keys()

    def change(inputs: Sequence[np.ndarray], weights: dict[str, np.ndarray]) -> float:
        return float((dy * case.forward(inputs, weights)).sum())

    def agree(gradient: np.ndarray, along: Callable[[np.ndarray], float], name: str) -> None:
        toward = random.uniform(-1, 1, gradient.shape)
        expected = (along(step * toward) - along(-step * toward)) / (2 * step)
        # What cancels in the sum counts as well as what is left of it.
        scale = abs(gradient * toward).sum()
        error = abs((gradient * toward).sum() - expected)
        assert error <= rtol * scale + 1e-8, (
            f"{name}: {(gradient * toward).sum()}, expected {expected}"
        )

    for at, (x, dx) in enumerate(zip(case.inputs, from_inputs, strict=True)):
        if x.dtype.kind in "iu":
            assert dx is None
            continue
        assert dx is not None
        assert dx.shape == x.shape

        def by_input(delta: np.ndarray, at: int = at) -> float:
            moved = [x + delta if i == at else x for i, x in enumerate(case.inputs)]
            return change(moved, case.weights)

        agree(dx, by_input, f"input {at}")
    for name, dw in from_weights.items():
        assert dw.shape == case.weights[name].shape

        def by_weight(delta: np.ndarray, name: str = name) -> float:
            return change(case.inputs, {**case.weights, name: case.weights[name] + delta})

        agree(dw, by_weight, name)


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    return build


@pytest.fixture(scope="session")
def check_gradients() -> Callable[..., None]:
    return compare_with_differences
