"""From the bytes of an ONNX file to a `Graph`: nothing is computed before all of it is checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.onnx.graph import Graph, Node, Value
from core.nets.onnx.library import onnx
from core.nets.onnx.operators import OPERATORS
from core.nets.onnx.tensors import dtype_of, to_array

MAX_BYTES = 1 << 30
MAX_NODES = 100_000
OLDEST_OPSET, NEWEST_OPSET = 7, 28
_DOMAINS = ("", "ai.onnx")


def read(data: bytes) -> Graph:
    """Return the graph of an ONNX file.

    Raises
    ------
    Unavailable
        The package onnx is not installed.
    UnsupportedMedia
        The bytes are no ONNX file, or a damaged one.
    InvalidInput
        The file contradicts itself, or needs something that convq does not have; named.
    TooLarge
        It has more bytes or nodes than are read.
    """
    model = _parsed(data)
    opset = _opset(model)
    graph = model.graph
    _refuse_beyond_the_graph(model)
    _refuse_operators(graph.node)
    constants = {tensor.name: to_array(tensor, tensor.name) for tensor in graph.initializer}
    inputs = tuple(_value(info) for info in graph.input)
    _check_names(graph, constants)
    _check_standard(graph.node, opset)
    nodes = tuple(_node(proto, place, opset) for place, proto in enumerate(graph.node, 1))
    return Graph(inputs, tuple(info.name for info in graph.output), constants, nodes)


def _parsed(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise TooLarge(
            "the file is too large",
            field="data",
            given=f"{len(data)} bytes",
            accepted=f"at most {MAX_BYTES} bytes",
        )
    from google.protobuf.message import DecodeError

    try:
        model = onnx().ModelProto.FromString(data)
    except DecodeError:
        model = None
    # Protobuf takes many bytes for a message; a model has at least a graph and an operator set.
    if model is None or not model.HasField("graph") or not model.opset_import:
        raise UnsupportedMedia(
            "this is no ONNX file, or a damaged one",
            field="data",
            given=f"{len(data)} bytes",
            accepted="a whole ONNX model",
        )
    if len(model.graph.node) > MAX_NODES:
        raise TooLarge(
            "too many nodes",
            field="graph.node",
            given=len(model.graph.node),
            accepted=f"at most {MAX_NODES}",
        )
    return model


def _opset(model: Any) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
    newest = min(NEWEST_OPSET, onnx("defs").onnx_opset_version())
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        raise InvalidInput(
            "no version of ONNX's operators that convq knows",
            field="opset_import",
            given=versions,
            accepted=f"one from {OLDEST_OPSET} to {newest}",
        )
    return int(versions[0])


def _refuse_beyond_the_graph(model: Any) -> None:
    for field, found in (
        ("functions", [function.name for function in model.functions]),
        ("training_info", ["training"] * len(model.training_info)),
        ("sparse_initializer", [s.values.name for s in model.graph.sparse_initializer]),
    ):
        if found:
            raise InvalidInput(
                "convq carries out plain graphs of dense arrays", field=field, given=found
            )


def _refuse_operators(nodes: Iterable[Any]) -> None:
    unknown = {
        f"{node.domain}.{node.op_type}" if node.domain else f"{node.op_type}"
        for node in nodes
        if node.domain not in _DOMAINS or node.op_type not in OPERATORS
    }
    if unknown:
        raise InvalidInput(
            f"convq does not have the operator {', '.join(sorted(unknown))}",
            field="graph.node",
            given=sorted(unknown),
            accepted=list(OPERATORS),
        )


def _value(info: Any) -> Value:
    if not info.type.HasField("tensor_type"):
        raise InvalidInput(
            "convq takes arrays only",
            field=info.name,
            given=info.type.WhichOneof("value"),
            accepted="tensor_type",
        )
    kind = info.type.tensor_type
    shape = None
    if kind.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    return Value(info.name, dtype_of(kind.elem_type, info.name), shape)


def _check_names(graph: Any, constants: dict[str, Any]) -> None:
    """Check that every value has one origin, before whatever needs it."""
    _check_once([info.name for info in graph.input], "graph.input")
    _check_once([tensor.name for tensor in graph.initializer], "graph.initializer")
    known = {info.name for info in graph.input} | set(constants)
    made = [name for node in graph.node for name in node.output if name]
    _check_once([*made, *known], "graph.node")
    later = set(made)
    for place, node in enumerate(graph.node, 1):
        for name in node.input:
            if name and name not in known:
                _raise_missing(name, _label(node, place), later)
        known.update(node.output)
    for info in graph.output:
        if info.name not in known:
            _raise_missing(info.name, "graph.output", later)


def _check_once(names: list[str], field: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInput(
                "two values have one name", field=field, given=name, accepted="distinct names"
            )
        seen.add(name)


def _raise_missing(name: str, where: str, later: set[str]) -> None:
    if name in later:
        raise InvalidInput(
            "needs a value that is made after it: the nodes are not sorted, or form a cycle",
            field=where,
            given=name,
        )
    raise InvalidInput("needs a value that nothing makes or holds", field=where, given=name)


def _check_standard(nodes: Iterable[Any], opset: int) -> None:
    """Check what the standard says of each operator: numbers of inputs, names of attributes."""
    checker = onnx("checker")
    context = checker.C.CheckerContext()
    context.ir_version = onnx().IR_VERSION
    context.opset_imports = {"": opset}
    for place, node in enumerate(nodes, 1):
        try:
            checker.check_node(node, context)
        except (checker.ValidationError, UnicodeDecodeError) as error:
            raise InvalidInput(
                "not as the ONNX standard has it",
                field=_label(node, place),
                given=str(error).strip().partition("\n")[0],
            ) from None


def _node(proto: Any, place: int, opset: int) -> Node:
    schema = onnx("defs").get_schema(proto.op_type, opset, "")
    attributes: dict[str, Any] = {}
    for name, formal in schema.attributes.items():
        if formal.default_value.type:
            attributes[name] = _attribute(formal.default_value)
    attributes |= {given.name: _attribute(given) for given in proto.attribute}
    label = _label(proto, place)
    node = Node(
        proto.op_type,
        label,
        tuple(proto.input),
        tuple(proto.output),
        attributes,
        schema.since_version,
    )
    try:
        OPERATORS[node.op].refuse(node)
    except InvalidInput as error:
        error.field = f"{label}: {error.field}"
        raise
    return node


def _attribute(given: Any) -> Any:
    if given.HasField("t"):
        return to_array(given.t, given.name)
    value = onnx("helper").get_attribute_value(given)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    # Lists in protobuf's own type.
    return value if isinstance(value, str | int | float) else list(value)


def _label(node: Any, place: int) -> str:
    return f"{node.op_type} {node.name or f'number {place}'}"
