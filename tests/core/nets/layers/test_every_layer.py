"""What holds for every layer, on the examples of `examples/<layer>.py`.

An example is a ``spec``, the ``shapes`` that come in (of one image each), and ``integers``, their
bound, where those come in instead of real numbers.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.nets.layers import LAYERS

FOLDER = Path(__file__).parent / "examples"
NAMES = [layer.name for layer in LAYERS]


def examples_of(name: str) -> list[dict]:
    return runpy.run_path(str(FOLDER / f"{name}.py"))["EXAMPLES"]


ALL = [
    pytest.param(example, id=f"{name}-{number}")
    for name in NAMES
    if (FOLDER / f"{name}.py").exists()
    for number, example in enumerate(examples_of(name))
]
every_example = pytest.mark.parametrize("example", ALL)


def test_every_layer_has_a_name_of_its_own_and_examples() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob("*.py"))
    assert all(example["spec"]["layer"] == name for name in NAMES for example in examples_of(name))


@pytest.mark.parametrize("layer", LAYERS, ids=NAMES)
def test_a_description_says_what_each_field_means(layer) -> None:
    schema = layer.spec.model_json_schema()
    assert schema["properties"]["layer"]["const"] == layer.name
    assert layer.spec.__doc__
    for name, field in schema["properties"].items():
        assert name == "layer" or field.get("description"), name


@every_example
def test_a_description_survives_json(example) -> None:
    layer = next(layer for layer in LAYERS if layer.name == example["spec"]["layer"])
    spec = layer.spec.model_validate(example["spec"])
    assert layer.spec.model_validate_json(spec.model_dump_json()) == spec


@every_example
@settings(max_examples=4)
@given(images=st.integers(1, 5), seed=st.integers(0, 1000), training=st.booleans())
def test_gradients_are_those_of_the_outputs(
    make_case, check_gradients, example, images, seed, training
) -> None:
    check_gradients(make_case(example, images, seed, training=training))


@every_example
@pytest.mark.parametrize("training", [False, True])
def test_shapes_and_dtypes_are_as_promised(make_case, example, training) -> None:
    case = make_case(example, 3, 0, training=training, dtype="float32")
    context = case.context()
    y, backward = case.layer.forward(case.spec, case.inputs, case.weights, context)
    assert y.shape == (*case.layer.shape(case.spec, case.shapes), 3)
    assert y.dtype == np.float32
    dy = np.ones_like(y)
    dy.flags.writeable = False
    from_inputs, from_weights = backward(dy)
    for x, dx in zip(case.inputs, from_inputs, strict=True):
        assert dx is None or (dx.shape, dx.dtype) == (x.shape, np.float32)
    assert {key: (dw.shape, dw.dtype) for key, dw in from_weights.items()} == {
        key: (w.shape, np.float32) for key, w in case.weights.items()
    }
    for key, update in context.updates.items():
        assert training
        assert (update.shape, update.dtype) == (case.state[key].shape, np.float32)
    assert case.layer.multiply_adds(case.spec, case.shapes) >= 0


@every_example
def test_a_gradient_that_nobody_wants_is_not_computed(make_case, example) -> None:
    case = make_case(example, 2, 1, training=True)
    outcomes = []
    for wanted in (True, False):
        context = case.context(wanted=wanted)
        y, backward = case.layer.forward(case.spec, case.inputs, case.weights, context)
        outcomes.append((y, *backward(np.ones_like(y))))
    (y, _, gradients), (same, nothing, others) = outcomes
    assert all(dx is None for dx in nothing)
    np.testing.assert_array_equal(y, same)
    for key, dw in gradients.items():
        np.testing.assert_array_equal(dw, others[key])


@every_example
def test_images_do_not_know_each_other(make_case, example) -> None:
    """Outside of training a batch is only several images, wherever it is cut."""
    case = make_case(example, 4, 2)
    whole = case.forward(case.inputs, case.weights)
    for cut in (slice(0, 1), slice(1, 4)):
        part = case.forward([x[..., cut] for x in case.inputs], case.weights)
        np.testing.assert_allclose(part, whole[..., cut], rtol=1e-9, atol=1e-12)
