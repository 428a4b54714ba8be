"""An ONNX file that can be run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check, never
from core.errors import ConvqError, InvalidInput
from core.nets.onnx.graph import Graph, Node, Value
from core.nets.onnx.operators import OPERATORS
from core.nets.onnx.reading import read


@dataclass(frozen=True)
class OnnxModel:
    """A graph of operations, ready to run.

    Attributes
    ----------
    graph : Graph
        What the file says.
    """

    graph: Graph

    @property
    def inputs(self) -> dict[str, Value]:
        """What `run` needs, by name; without what has a default in the file."""
        constants = self.graph.constants
        return {value.name: value for value in self.graph.inputs if value.name not in constants}

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what `run` returns."""
        return self.graph.outputs

    def run(self, inputs: Mapping[str, Any], *, check: Check = never) -> list[Array]:
        """Carry out the graph.

        Parameters
        ----------
        inputs : mapping of str to array
            An array for each of `inputs`, batch-first as ONNX has it. Axes whose length the file
            leaves free take any.
        check : callable
            Called between operations; raises to stop.

        Returns
        -------
        list of ndarray
            One for each of `outputs`.

        Raises
        ------
        InvalidInput
            An input is missing, unknown, or of another dtype or shape than the file says; or
            shapes do not fit within the graph: the error names the node.
        TooLarge
            An array would become too large.
        """
        values: dict[str, Array] = dict(self.graph.constants) | _checked(self.graph, inputs)
        left = Counter(name for node in self.graph.nodes for name in node.inputs)
        left.update(self.graph.outputs)
        for node in self.graph.nodes:
            check()
            found = _carry_out(node, [values[n] if n else None for n in node.inputs], check)
            values.update((n, v) for n, v in zip(node.outputs, found, strict=False) if n)
            # What nobody needs any more makes room.
            left.subtract(node.inputs)
            for name in node.inputs:
                if left[name] == 0:
                    values.pop(name, None)
        return [values[name] for name in self.graph.outputs]


def load(data: bytes) -> OnnxModel:
    """Return the model in an ONNX file; nothing in it is executed.

    Parameters
    ----------
    data : bytes
        The file: operator sets 7 to 28, weights inside.

    Raises
    ------
    Unavailable
        The package onnx is not installed.
    UnsupportedMedia
        The bytes are no ONNX file, or a damaged one.
    InvalidInput
        The file needs an operator that convq does not have, or contradicts itself.
    TooLarge
        The file is larger than 1 GiB.

    Examples
    --------
    >>> from core.nets.onnx.library import onnx
    >>> helper, kind = onnx("helper"), onnx().TensorProto.FLOAT
    >>> value = helper.make_tensor_value_info
    >>> graph = helper.make_graph(
    ...     [helper.make_node("Relu", ["x"], ["y"])],
    ...     "net",
    ...     [value("x", kind, ["N", 2])],
    ...     [value("y", kind, ["N", 2])],
    ... )
    >>> model = load(helper.make_model(graph).SerializeToString())
    >>> model.run({"x": np.array([[-1, 2]], np.float32)})
    [array([[0., 2.]], dtype=float32)]
    """
    return OnnxModel(read(data))


def _checked(graph: Graph, given: Mapping[str, Any]) -> dict[str, Array]:
    known = {value.name: value for value in graph.inputs}
    for name in given:
        if name not in known:
            raise InvalidInput(
                "there is no such input", field="inputs", given=name, accepted=[*known]
            )
    found = {}
    for name, value in known.items():
        if name in given:
            found[name] = _fitting(value, np.asarray(given[name]))
        elif name not in graph.constants:
            raise InvalidInput("an input is missing", field="inputs", given=[*given], accepted=name)
    return found


def _fitting(value: Value, array: Array) -> Array:
    if array.dtype != value.dtype:
        raise InvalidInput(
            "of another dtype than the file says",
            field=f"inputs.{value.name}",
            given=str(array.dtype),
            accepted=str(value.dtype),
        )
    if value.shape is not None and (
        array.ndim != len(value.shape)
        or any(want not in (None, n) for n, want in zip(array.shape, value.shape, strict=True))
    ):
        shown = ", ".join("any" if n is None else str(n) for n in value.shape)
        raise InvalidInput(
            "of another shape than the file says",
            field=f"inputs.{value.name}",
            given=array.shape,
            accepted=f"({shown})",
        )
    return array


def _carry_out(node: Node, inputs: Sequence[Array | None], check: Check) -> tuple[Array, ...]:
    operator = OPERATORS[node.op]
    halves = operator.floating and any(_is_half(x) for x in inputs)
    if halves:
        inputs = [x.astype(np.float32) if _is_half(x) else x for x in inputs]  # type: ignore[union-attr]
    try:
        found = operator.run(node, inputs, check)
    except ConvqError as error:
        error.field = f"{node.label}: {error.field}" if error.field else node.label
        raise
    except ValueError as error:
        # How NumPy says that shapes do not fit.
        raise InvalidInput(
            f"the inputs do not fit together: {error}",
            field=node.label,
            given=[None if x is None else x.shape for x in inputs],
        ) from None
    return tuple(y.astype(np.float16) for y in found) if halves else found


def _is_half(x: Array | None) -> bool:
    return x is not None and x.dtype == np.float16
