"""Files that are refused, before anything of them is computed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from core.errors import ConvqError, InvalidInput, TooLarge, Unavailable, UnsupportedMedia
from core.nets.onnx import load, operator

Model = Callable[..., bytes]
X = {"x": np.ones((2, 3), np.float32)}


def node(op: str, inputs: str = "x", outputs: str = "y", **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def test_what_is_no_onnx_file_is_refused(model: Model) -> None:
    for data in (b"", b"hello", b"\x89PNG\r\n\x1a\n" * 9, model([node("Relu")], X)[:-9]):
        with pytest.raises(UnsupportedMedia, match="no ONNX file"):
            load(data)


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_files_give_errors_of_ours(model: Model, data: Any) -> None:
    nodes = [node("Conv", "x w", "v", pads=[1, 1]), node("MaxPool", "v", "y", kernel_shape=[2])]
    x, w = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2), np.float32)
    whole = bytearray(model(nodes, {"x": x}, {"w": w}))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ConvqError):
        loaded = load(bytes(whole))
        loaded.run(dict.fromkeys(loaded.inputs, np.ones((1, 1, 3), np.float32)))


def test_unknown_operators_are_named_all_at_once(model: Model) -> None:
    nodes = [node("LSTM"), node("Relu", "y", "z"), node("Gelu", "z", "v", domain="com.microsoft")]
    with pytest.raises(InvalidInput, match=r"the operator LSTM, com\.microsoft\.Gelu"):
        load(model(nodes, X, outputs=["v"]))


def test_a_cycle_is_refused(model: Model) -> None:
    with pytest.raises(InvalidInput, match=r"Add number 1: .*cycle.*'z'"):
        load(model([node("Add", "x z", "y"), node("Relu", "y", "z")], X))


def test_missing_values_are_named(model: Model) -> None:
    with pytest.raises(InvalidInput, match=r"Conv number 1: .*nothing makes or holds.*'w'"):
        load(model([node("Conv", "x w")], X))
    with pytest.raises(InvalidInput, match="'other'"):
        load(model([node("Relu")], X, outputs=["other"]))


def test_names_are_given_once(model: Model) -> None:
    w = {"w": np.ones(3, np.float32)}
    for nodes in ([node("Relu"), node("Tanh")], [node("Relu", "x", "x")], [node("Relu", "x", "w")]):
        with pytest.raises(InvalidInput, match="one name"):
            load(model(nodes, X, w))


def test_values_in_other_files_are_not_read(model: Model, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(12))
    proto = onnx.ModelProto.FromString(
        model([node("Add", "x w")], X, {"w": np.ones(3, np.float32)})
    )
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", str(tmp_path / "secret")
    with pytest.raises(InvalidInput, match="another file"):
        load(proto.SerializeToString())
    tensor.data_location = onnx.TensorProto.DEFAULT
    with pytest.raises(InvalidInput, match="another file"):
        load(proto.SerializeToString())


def test_arrays_hold_what_their_shape_says(model: Model) -> None:
    proto = onnx.ModelProto.FromString(
        model([node("Add", "x w")], X, {"w": np.ones(3, np.float32)})
    )
    proto.graph.initializer[0].dims[0] = 1 << 40
    with pytest.raises(UnsupportedMedia, match="damaged array"):
        load(proto.SerializeToString())


@pytest.mark.parametrize("opset", [6, 99])
def test_operator_sets_of_other_times_are_refused(model: Model, opset: int) -> None:
    proto = onnx.ModelProto.FromString(model([node("Relu")], X))
    proto.opset_import[0].version = opset
    with pytest.raises(InvalidInput, match=rf"given: \[{opset}\]; accepted: one from 7 to"):
        load(proto.SerializeToString())


def test_element_types_without_numpy_s_arithmetic_are_refused(model: Model) -> None:
    proto = onnx.ModelProto.FromString(model([node("Relu")], X))
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.BFLOAT16
    with pytest.raises(InvalidInput, match="BFLOAT16"):
        load(proto.SerializeToString())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (node("MaxPool", "x", "y indices", kernel_shape=[2]), "MaxPool number 1: output"),
        (node("MaxPool"), "kernel_shape"),
        (node("Relu", "x", "y", slope=1.0), "slope"),
        (node("Relu", "x x"), "Relu"),
        (node("Gelu", "x", "y", approximate="erf"), "approximate: no such"),
        (node("Pad", "x x", "y", mode="mirror"), "mode: no such"),
        (onnx.NodeProto(), "operator"),
    ],
)
def test_what_an_operator_cannot_do_is_refused(model: Model, bad: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load(model([bad], X))


def test_constants_that_are_text_are_refused(model: Model) -> None:
    text = helper.make_node("Constant", [], ["y"], value_string="a")
    with pytest.raises(InvalidInput, match="value_string"):
        load(model([text], X))


@pytest.mark.parametrize(
    ("given_inputs", "message"),
    [
        ({}, "missing"),
        ({"x": X["x"], "y": X["x"]}, "no such input"),
        ({"x": X["x"].astype(float)}, r"inputs\.x: .*float64"),
        ({"x": np.ones((2, 4), np.float32)}, r"inputs\.x: .*\(any, 3\)"),
        ({"x": np.ones(3, np.float32)}, r"inputs\.x: .*\(any, 3\)"),
    ],
)
def test_inputs_are_those_of_the_file(model: Model, given_inputs: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load(model([node("Relu")], X)).run(given_inputs)


def test_the_batch_is_free(model: Model) -> None:
    loaded = load(model([node("Relu")], X))
    assert loaded.inputs["x"].shape == (None, 3)
    for batch in (0, 1, 7):
        assert loaded.run({"x": np.ones((batch, 3), np.float32)})[0].shape == (batch, 3)


def test_what_does_not_fit_names_the_node(model: Model) -> None:
    w = {"w": np.ones((4, 5), np.float32)}
    for op in ("MatMul", "Add", "Gemm"):
        with pytest.raises(InvalidInput, match=f"{op} wrong: .*fit"):
            load(model([node(op, "x w", name="wrong")], X, w)).run(X)
    x = {"x": np.ones((1, 2, 5, 5), np.float32)}
    with pytest.raises(InvalidInput, match="Conv number 1"):
        load(model([node("Conv", "x w")], x, {"w": np.ones((1, 3, 2, 2), np.float32)})).run(x)


def test_a_few_bytes_cannot_ask_for_any_amount_of_memory(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator, "MAX_VALUES", 10_000)
    x = {"x": np.ones((1, 1, 20, 20), np.float32)}
    w = {"w": np.ones((1, 1, 1, 1), np.float32), "many": np.ones((200, 1, 1, 1), np.float32)}
    doubled = [node("Concat", f"v{i} v{i}", f"v{i + 1}", axis=0) for i in range(20)]
    row, column = {"x": np.ones((1, 200), np.float32)}, {"w": np.ones((200, 1), np.float32)}
    for nodes, inputs, constants in (
        ([node("Identity", "x", "v0"), *doubled, node("Identity", "v20")], x, {}),
        ([node("Pad", "x pads")], x, {"pads": np.full(8, 1 << 40)}),
        ([node("Conv", "x w", pads=[1 << 29] * 4)], x, w),
        ([node("Conv", "x many")], x, w),
        ([node("ConvTranspose", "x w", strides=[1 << 29] * 2)], x, w),
        ([node("MaxPool", kernel_shape=[9, 9], pads=[1 << 29] * 4)], x, {}),
        ([node("AveragePool", kernel_shape=[9, 9], pads=[1 << 29] * 4)], x, {}),
        ([node("Add", "x w")], row, column),
        ([node("MatMul", "w x")], row, column),
        ([node("Gemm", "w x")], row, column),
    ):
        with pytest.raises(TooLarge, match="too large"):
            load(model(nodes, inputs, constants)).run(inputs)


def test_intermediate_values_are_let_go(model: Model) -> None:
    import tracemalloc

    x = {"x": np.ones((1, 1_000_000), np.float32)}
    chain = [node("Tanh", "x", "v0")]
    chain += [node("Tanh", f"v{i}", f"v{i + 1}") for i in range(8)]
    loaded = load(model([*chain, node("Identity", "v8")], x))
    tracemalloc.start()
    loaded.run(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * x["x"].nbytes


def test_without_onnx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(Unavailable, match=r"pip install 'convq\[onnx\]'"):
        load(b"data")


def test_onnx_is_imported_in_one_place_and_late() -> None:
    import subprocess

    code = "import core.nets.onnx, sys; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_defaults_of_inputs_may_be_replaced(model: Model) -> None:
    w = np.full(3, 2, np.float32)
    proto = onnx.ModelProto.FromString(model([node("Add", "x w")], X | {"w": w}))
    proto.graph.input[1].type.tensor_type.shape.dim[0].dim_value = 3
    proto.graph.initializer.append(numpy_helper.from_array(w, "w"))
    loaded = load(proto.SerializeToString())
    assert list(loaded.inputs) == ["x"]
    assert loaded.run(X)[0].max() == 3
    assert loaded.run(X | {"w": -w})[0].max() == -1
