"""Graphs made by onnx.helper, and ONNX Runtime as the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from core.nets.onnx import load


def _model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, np.ndarray],
    constants: Mapping[str, np.ndarray] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 22,
) -> bytes:
    """Return a file with these nodes; the first axis of every input is free."""
    graph = helper.make_graph(
        list(nodes),
        "net",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(x.dtype), ["N", *x.shape[1:]]
            )
            for name, x in inputs.items()
        ],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (constants or {}).items()],
    )
    for info in graph.output:
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def _runtime(data: bytes, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return what ONNX Runtime computes, with its optimisations off."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found: list[np.ndarray] = session.run(None, dict(inputs))
    return found


@pytest.fixture(scope="session")
def model() -> Callable[..., bytes]:
    return _model


@pytest.fixture(scope="session")
def runtime() -> Callable[..., list[np.ndarray]]:
    return _runtime


@pytest.fixture(scope="session")
def agree() -> Callable[..., Any]:
    """Return a check that convq and ONNX Runtime compute the same."""

    def check(data: bytes, inputs: Mapping[str, np.ndarray], rtol: float = 1e-4) -> None:
        expected = _runtime(data, inputs)
        found = load(data).run(inputs)
        assert len(found) == len(expected)
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.dtype == theirs.dtype
            assert mine.shape == theirs.shape
            np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=1e-5)

    return check
