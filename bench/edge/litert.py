"""A net of convq as a LiteRT (TensorFlow Lite) model.

The wheel of LiteRT runs models and converts TensorFlow's; from ONNX there is no way without
TensorFlow or PyTorch. So the file is written here, layer by layer, with the schema in that wheel:
the operators that a converter would choose, activations inside of them.
"""

from __future__ import annotations

import math
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from core.nets.graph import INPUT
from core.nets.inference.fusion import Operation, operations
from core.nets.layers.conv import ConvSpec, window_of
from core.nets.model import Model

Array = NDArray[Any]
_AXES = [1, 2, 3]


def litert(model: Model) -> bytes:
    """Return the file of a chain of convolutions, transposed ones, pools and dense layers.

    Its input is ``(1, rows, columns, channels)``.
    """
    return _Writer(model).written()


class _Writer:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.buffers: list[Any] = [schema.BufferT()]
        self.tensors: list[Any] = []
        self.operators: list[Any] = []
        self.codes: list[tuple[int, int]] = []

    def written(self) -> bytes:
        """Return the file."""
        network = self.model.network
        channels, rows, columns = network.input_shape
        first = self.tensor((1, rows, columns, channels))
        values = {INPUT: first}
        todo = operations(network.nodes, self.model.weights, network.nodes[-1].index)
        for one in todo.steps:
            layer = getattr(self, one.node.layer.name)
            values[one.result] = layer(one, values[one.sources[0]])
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [first], [values[todo.output]]
        found = schema.ModelT()
        found.version, found.subgraphs, found.buffers = 3, [graph], self.buffers
        found.operatorCodes = [_code(*code) for code in self.codes]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(found.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    # Layers

    def conv(self, one: Operation, x: int) -> int:
        """Add a convolution; where it is padded, the size stays."""
        spec = one.node.spec
        assert isinstance(spec, ConvSpec)
        window = window_of(spec, one.node.incoming[0])
        options = schema.Conv2DOptionsT()
        same = schema.Padding.SAME if any(window.padding) else schema.Padding.VALID
        options.padding, options.fusedActivationFunction = same, _activation(one)
        options.strideH, options.strideW = window.stride
        options.dilationHFactor = options.dilationWFactor = 1
        weight = self.constant(one.weights["weight"].transpose(0, 2, 3, 1))
        inputs = [x, weight, self.constant(one.weights["bias"])]
        return self.operator("CONV_2D", "Conv2DOptions", options, inputs, _last(one.shape))

    def conv_transpose(self, one: Operation, x: int) -> int:
        """Add a transposed convolution that leaves nothing out."""
        options = schema.TransposeConvOptionsT()
        options.padding = schema.Padding.VALID
        options.strideH = options.strideW = one.node.spec.stride  # type: ignore[attr-defined]
        options.fusedActivationFunction = _activation(one)
        shape = _last(one.shape)
        weight = self.constant(one.weights["weight"].transpose(1, 2, 3, 0))
        size = self.constant(np.array(shape, np.int32))
        inputs = [size, weight, x, self.constant(one.weights["bias"])]
        return self.operator(
            "TRANSPOSE_CONV", "TransposeConvOptions", options, inputs, shape, version=4
        )

    def max_pool(self, one: Operation, x: int) -> int:
        """Add a pooling layer."""
        options = schema.Pool2DOptionsT()
        options.padding = schema.Padding.VALID
        size = one.node.spec.kernel  # type: ignore[attr-defined]
        options.strideH = options.strideW = options.filterHeight = options.filterWidth = size
        return self.operator("MAX_POOL_2D", "Pool2DOptions", options, [x], _last(one.shape))

    def dense(self, one: Operation, x: int) -> int:
        """Add a dense layer, its weights in the order of pictures with channels last."""
        weight, shape = one.weights["weight"], self.tensors[x].shape
        if len(shape) == 4:
            _, rows, columns, channels = shape
            weight = weight.reshape(-1, channels, rows, columns).transpose(0, 2, 3, 1)
            x = self.reshaped(x, (1, math.prod(shape)))
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = _activation(one)
        weight = self.constant(weight.reshape(len(weight), -1))
        inputs = [x, weight, self.constant(one.weights["bias"])]
        shape = (1, one.shape[0])
        return self.operator("FULLY_CONNECTED", "FullyConnectedOptions", options, inputs, shape)

    def whiten(self, one: Operation, x: int) -> int:
        """Add what brings an image to mean 0 and variance 1."""
        shape, number = _last(one.shape), (1, 1, 1, 1)
        centred = self.binary("SUB", x, self.mean(x), shape)
        variance = self.mean(self.binary("MUL", centred, centred, shape))
        epsilon = self.constant(np.float32([one.node.spec.epsilon]))  # type: ignore[attr-defined]
        shifted = self.binary("ADD", variance, epsilon, number)
        scale = self.operator("RSQRT", None, None, [shifted], number)
        return self.binary("MUL", centred, scale, shape)

    # Operators

    def mean(self, x: int) -> int:
        """Add the mean of an image."""
        options = schema.ReducerOptionsT()
        options.keepDims = True
        inputs = [x, self.constant(np.array(_AXES, np.int32))]
        return self.operator("MEAN", "ReducerOptions", options, inputs, (1, 1, 1, 1))

    def binary(self, name: str, a: int, b: int, shape: tuple[int, ...]) -> int:
        """Add an operation on two tensors."""
        kind = name.capitalize() + "Options"
        return self.operator(name, kind, getattr(schema, kind + "T")(), [a, b], shape)

    def reshaped(self, x: int, shape: tuple[int, ...]) -> int:
        """Add another view of a tensor."""
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        inputs = [x, self.constant(np.array(shape, np.int32))]
        return self.operator("RESHAPE", "ReshapeOptions", options, inputs, shape)

    def operator(
        self,
        name: str,
        kind: str | None,
        options: Any,
        inputs: list[int],
        shape: tuple[int, ...],
        version: int = 1,
    ) -> int:
        """Add an operator, and return its output."""
        made = schema.OperatorT()
        code = (getattr(schema.BuiltinOperator, name), version)
        if code not in self.codes:
            self.codes.append(code)
        made.opcodeIndex, made.inputs = self.codes.index(code), inputs
        if kind is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = options
        made.outputs = [self.tensor(shape)]
        self.operators.append(made)
        return int(made.outputs[0])

    def tensor(self, shape: tuple[int, ...], kind: int = 0, buffer: int = 0) -> int:
        """Add a tensor, and return its number."""
        made = schema.TensorT()
        made.shape, made.type, made.buffer = list(shape), kind, buffer
        made.name = f"t{len(self.tensors)}"
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, values: Array) -> int:
        """Add a constant, and return its number."""
        buffer = schema.BufferT()
        is_integer = values.dtype.kind == "i"
        kind = schema.TensorType.INT32 if is_integer else schema.TensorType.FLOAT32
        values = np.ascontiguousarray(values, np.int32 if is_integer else np.float32)
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.buffers.append(buffer)
        return self.tensor(values.shape, kind, len(self.buffers) - 1)


def _code(number: int, version: int) -> Any:
    made = schema.OperatorCodeT()
    made.deprecatedBuiltinCode = made.builtinCode = number
    made.version = version
    return made


def _activation(one: Operation) -> int:
    kinds = {
        "identity": schema.ActivationFunctionType.NONE,
        "relu": schema.ActivationFunctionType.RELU,
    }
    return int(kinds[one.activation])


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of one picture with channels last."""
    channels, rows, columns = shape
    return (1, rows, columns, channels)
