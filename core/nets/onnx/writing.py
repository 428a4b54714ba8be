"""From a model to the bytes of an ONNX file."""

from __future__ import annotations

import json
from typing import Any

from core.arrays import to_numpy
from core.errors import InvalidInput, TooLarge
from core.nets.graph import INPUT, Node
from core.nets.model import Model
from core.nets.onnx.builder import Builder
from core.nets.onnx.layers import WRITERS
from core.nets.onnx.library import onnx

OPSET = 20
"""The version of ONNX's operators that is written: the first with Gelu."""

MAX_BYTES = (1 << 31) - (1 << 20)

_IR_VERSION = 9  # that of the release of ONNX with this operator set
_INPUT, _OUTPUT = "input", "output"


def export(model: Model) -> bytes:
    """Return a model as an ONNX file; the same model gives the same bytes.

    The file has one input, ``input (batch, *input_shape)`` (float32; int64 for words), and one
    output, ``output (batch, *output_shape)``; the values between are called as the layers are.
    ``about`` is in its metadata, as JSON under ``convq``. Operators are those of operator set 20.

    Parameters
    ----------
    model : Model

    Returns
    -------
    bytes

    Raises
    ------
    Unavailable
        The package onnx is not installed.
    InvalidInput
        A layer cannot be written as ONNX; named.
    TooLarge
        The weights do not fit a file of 2 GiB, which no ONNX file may exceed.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "dense", "features": 2}]
    >>> spec = NetSpec.model_validate({"input": [3], "layers": layers})
    >>> data = export(Model(spec, Network(spec).init(seed=0)))
    >>> onnx().ModelProto.FromString(data).graph.node[0].op_type
    'Gemm'
    """
    _check_size(model)
    network, helper = model.network, onnx("helper")
    builder = Builder()
    names: dict[int, str] = {INPUT: _INPUT}
    for node in network.nodes:
        builder.scope = node.name
        held = _weights(builder, model, node)
        inputs = [names[source] for source in node.sources]
        names[node.index] = _writer(node)(builder, node, inputs, held)
    last = names[network.nodes[-1].index]
    builder.nodes.append(helper.make_node("Identity", [last], [_OUTPUT], _OUTPUT))
    kinds = onnx().TensorProto
    words = any(node.layer.words for node in network.nodes)
    graph = helper.make_graph(
        builder.nodes,
        "net",
        [_value(_INPUT, kinds.INT64 if words else kinds.FLOAT, network.input_shape)],
        [_value(_OUTPUT, kinds.FLOAT, network.output_shape)],
        builder.constants,
    )
    file = helper.make_model(
        graph,
        producer_name="convq",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(file, {"convq": json.dumps(model.about, sort_keys=True)})
    data: bytes = file.SerializeToString(deterministic=True)
    return data


def _check_size(model: Model) -> None:
    size = sum(array.nbytes for array in model.weights.values())
    if size > MAX_BYTES:
        raise TooLarge(
            "the weights do not fit an ONNX file",
            field="model",
            given=f"{size} bytes",
            accepted=f"at most {MAX_BYTES} bytes",
        )


def _weights(builder: Builder, model: Model, node: Node) -> dict[str, Any]:
    names = (f"{node.name}.{name}" for name in (*node.parameters, *node.state))
    found = {name: to_numpy(model.weights[name]) for name in names}
    for name, array in found.items():
        builder.weight(name, array)
    return found


def _writer(node: Node) -> Any:
    if node.layer.name not in WRITERS:
        raise InvalidInput(
            f"{node.name} cannot be written as ONNX",
            field=f"layers.{node.index}.layer",
            given=node.layer.name,
            accepted=list(WRITERS),
        )
    return WRITERS[node.layer.name]


def _value(name: str, kind: int, shape: tuple[int, ...]) -> Any:
    return onnx("helper").make_tensor_value_info(name, kind, ["batch", *shape])
