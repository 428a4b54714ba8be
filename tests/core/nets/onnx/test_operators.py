"""The operators without windows over their attributes and versions, against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

SIZES = st.integers(1, 4)


def normal(shape: Any, seed: int = 0, dtype: str = "float32") -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@settings(max_examples=40)
@given(
    op=st.sampled_from(["Relu", "LeakyRelu", "Elu", "Gelu", "Tanh", "Sigmoid"]),
    alpha=st.floats(0.01, 2),
    approximate=st.sampled_from(["none", "tanh"]),
    shape=st.lists(SIZES, min_size=1, max_size=4),
)
def test_activations(
    model: Any, agree: Any, op: str, alpha: float, approximate: str, shape: list[int]
) -> None:
    attributes = {"LeakyRelu": {"alpha": alpha}, "Elu": {"alpha": alpha}}
    attributes["Gelu"] = {"approximate": approximate}
    x = 3 * normal(shape)
    x.flat[0] = np.nan
    node = helper.make_node(op, ["x"], ["y"], **attributes.get(op, {}))
    agree(model([node], {"x": x}), {"x": x})


def test_activations_far_out(model: Any, agree: Any) -> None:
    x = np.array([-np.inf, -1e30, -200, -30, 30, 200, 1e30, np.inf], np.float32)
    for op in ("Relu", "LeakyRelu", "Elu", "Tanh", "Sigmoid"):
        agree(model([helper.make_node(op, ["x"], ["y"])], {"x": x}), {"x": x})


@settings(max_examples=40)
@given(
    shape=st.lists(SIZES, min_size=1, max_size=4),
    place=st.integers(-4, 3),
    opset=st.sampled_from([9, 11, 13, 22]),
)
def test_softmax(model: Any, agree: Any, shape: list[int], place: int, opset: int) -> None:
    place = place % len(shape)
    x = 50 * normal(shape)
    node = helper.make_node("Softmax", ["x"], ["y"], axis=place)
    agree(model([node], {"x": x}, opset=opset), {"x": x})


@settings(max_examples=40)
@given(
    sizes=st.tuples(SIZES, SIZES, SIZES),
    turned=st.tuples(st.booleans(), st.booleans()),
    scales=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    third=st.sampled_from([None, "scalar", "row", "column", "matrix"]),
)
def test_gemm(model: Any, agree: Any, sizes: Any, turned: Any, scales: Any, third: Any) -> None:
    m, k, n = sizes
    a, b = normal((k, m) if turned[0] else (m, k)), normal((n, k) if turned[1] else (k, n), 1)
    inputs = {"a": a, "b": b}
    if third:
        shapes = {"scalar": (), "row": (n,), "column": (m, 1), "matrix": (m, n)}
        inputs["c"] = normal(shapes[third], 2)
    node = helper.make_node(
        "Gemm",
        list(inputs),
        ["y"],
        transA=int(turned[0]),
        transB=int(turned[1]),
        alpha=scales[0],
        beta=scales[1],
    )
    constants = {name: array for name, array in inputs.items() if name != "a"}
    agree(model([node], {"a": a}, constants), {"a": a})


@pytest.mark.parametrize(
    ("a", "b"),
    [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((2, 3), (5, 3, 4))],
)
def test_matmul(model: Any, agree: Any, a: Any, b: Any) -> None:
    x = normal(a)
    node = helper.make_node("MatMul", ["x", "b"], ["y"])
    agree(model([node], {"x": x}, {"b": normal(b, 1)}), {"x": x})


@settings(max_examples=20)
@given(
    spatial=st.lists(SIZES, max_size=3),
    epsilon=st.floats(1e-6, 0.1),
    opset=st.sampled_from([8, 9, 14, 15, 22]),
)
def test_batch_normalization(
    model: Any, agree: Any, spatial: list[int], epsilon: float, opset: int
) -> None:
    x = normal((2, 3, *spatial))
    constants = {name: normal(3, seed) for seed, name in enumerate(("scale", "b", "mean"))}
    constants["var"] = np.abs(normal(3, 7))
    node = helper.make_node("BatchNormalization", ["x", *constants], ["y"], epsilon=epsilon)
    agree(model([node], {"x": x}, constants, opset=opset), {"x": x})


@settings(max_examples=30)
@given(
    shape=st.lists(SIZES, min_size=1, max_size=3),
    mode=st.sampled_from(["constant", "reflect", "edge", "wrap"]),
    data=st.data(),
)
def test_pad(model: Any, agree: Any, shape: list[int], mode: str, data: Any) -> None:
    # Reflection needs something to reflect, and what is cut off must be there.
    low, high = (-1 if min(shape) > 2 and mode == "constant" else 0), min(shape) - 1
    widths = data.draw(
        st.lists(st.integers(low, high), min_size=2 * len(shape), max_size=2 * len(shape))
    )
    x = normal(shape)
    constants = {"pads": np.array(widths), "value": np.float32(2.5)}
    node = helper.make_node("Pad", ["x", "pads", "value"], ["y"], mode=mode)
    agree(model([node], {"x": x}, constants), {"x": x})
    if mode == "constant":
        old = helper.make_node("Pad", ["x"], ["y"], pads=widths, value=1.5)
        agree(model([old], {"x": x}, opset=10), {"x": x})


def test_pad_of_some_axes(model: Any, agree: Any) -> None:
    x = normal((2, 3, 4))
    constants = {"pads": np.array([1, 2, 0, 1]), "axes": np.array([-1, 1])}
    node = helper.make_node("Pad", ["x", "pads", "", "axes"], ["y"])
    agree(model([node], {"x": x}, constants), {"x": x})


@settings(max_examples=20)
@given(shape=st.lists(SIZES, min_size=1, max_size=4), data=st.data())
def test_flatten_concat_and_add(model: Any, agree: Any, shape: list[int], data: Any) -> None:
    place = data.draw(st.integers(-len(shape), len(shape) - 1))
    ones = [n if data.draw(st.booleans()) else 1 for n in shape]
    x = normal(shape)
    nodes = [
        helper.make_node("Concat", ["x", "x", "x"], ["y"], axis=place),
        helper.make_node("Add", ["x", "other"], ["z"]),
        helper.make_node("Flatten", ["x"], ["flat"], axis=place),
        helper.make_node("Identity", ["flat"], ["same"]),
        helper.make_node("Dropout", ["same"], ["kept"]),
    ]
    constants = {"other": normal(ones, 1)}
    agree(model(nodes, {"x": x}, constants, outputs=["y", "z", "kept"]), {"x": x})


@pytest.mark.parametrize("shape", [(0, -1), (-1, 3), (2, 3, 4), (0, 2, 2, -1), (4, 0, 2), (24,)])
def test_reshape(model: Any, agree: Any, shape: Any) -> None:
    x = normal((2, 3, 4))
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    agree(model([node], {"x": x}, {"shape": np.array(shape)}), {"x": x})


def test_constants_of_every_sort(model: Any, runtime: Any, agree: Any) -> None:
    x = normal((2, 3))
    nodes = [
        helper.make_node("Constant", [], ["one"], value_float=1.5),
        helper.make_node("Constant", [], ["many"], value_floats=[1.0, 2.0, 3.0]),
        helper.make_node("Constant", [], ["shape"], value_ints=[3, 2]),
        helper.make_node("Add", ["x", "one"], ["a"]),
        helper.make_node("Add", ["a", "many"], ["b"]),
        helper.make_node("Reshape", ["b", "shape"], ["y"]),
    ]
    agree(model(nodes, {"x": x}), {"x": x})


def test_half_precision_is_computed_in_single(model: Any) -> None:
    from core.nets.onnx import load

    x = normal((1, 64, 9, 9), dtype="float16")
    w = normal((8, 64, 3, 3), 1, dtype="float16")
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    single = [
        load(model(nodes, {"x": a}, {"w": b})).run({"x": a})[0]
        for a, b in ((x, w), (x.astype("float32"), w.astype("float32")))
    ]
    assert single[0].dtype == np.float16
    np.testing.assert_array_equal(single[0], single[1].astype("float16"))
