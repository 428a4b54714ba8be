"""A net on its way to the steps that a box takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.one_activation import constants
from core.edge.tensors import Buffer, Region, Sides, Step, whole
from core.errors import InvalidInput
from core.nets.graph import Node
from core.nets.inference.fusion import Operation
from core.nets.layer import Shape
from core.nets.window import Window

Numbers: TypeAlias = NDArray[np.float32]


@dataclass
class Lowering:
    """A net on its way to steps.

    Attributes
    ----------
    lanes : int
        Of the widest vectors of the box.
    steps, arrays : list
        What has been found so far: the steps, and the weights that they refer to by number.
    layer : str
        The name of the layer whose steps are being added.
    """

    lanes: int
    steps: list[Step] = field(default_factory=list)
    arrays: list[Numbers] = field(default_factory=list)
    layer: str = "input"

    def buffer(self, shape: Sides, last: int = 0) -> Buffer:
        """Return room for a tensor.

        Parameters
        ----------
        shape : tuple of int
            Channels, rows, columns.
        last : int
            The first channel of the last part that is written by itself, in whole vectors.
        """
        return Buffer(shape, self.whole(last + self.whole(shape[0] - last)))

    def whole(self, channels: int) -> int:
        """Return how many channels whole vectors hold."""
        return channels + -channels % self.lanes

    def array(self, values: Any) -> int:
        """Keep weights, and return their number."""
        self.arrays.append(np.ascontiguousarray(values, np.float32))
        return len(self.arrays) - 1

    def step(
        self,
        op: str,
        reads: list[Region],
        writes: Region,
        *,
        multiply_adds: int = 0,
        **fields: Any,
    ) -> Region:
        """Add a step, and return the whole of what it writes into."""
        self.steps.append(Step(op, self.layer, reads, writes, fields, multiply_adds))
        return whole(writes.buffer)

    def activated(self, name: str, parameter: float) -> dict[str, Any]:
        """Return the fields of a step that ends with a nonlinearity."""
        if name == "identity":
            return {"act": None}
        return {"act": [name, parameter], "constants": self.array(constants("float32", parameter))}

    def ending(self, operation: Operation) -> dict[str, Any]:
        """Return the fields of the nonlinearity at the end of an operation."""
        return self.activated(operation.activation, operation.parameter)


def as_described(plan: Lowering, x: Region, shape: Shape) -> Region:
    """Return a tensor in the order of the net; what was flattened lies pixel by pixel."""
    if x.shape == sides(shape):
        return x
    return plan.step("flatten", [x], whole(plan.buffer((math.prod(x.shape), 1, 1))))


def sides(shape: Shape) -> Sides:
    """Return ``(channels, rows, columns)``; sound and vectors have one row."""
    if len(shape) > 3:
        raise InvalidInput(
            "a box computes in one or two dimensions",
            field="model.input",
            given=shape,
            accepted="(channels, rows, columns)",
        )
    channels, *spatial = shape
    rows, columns = [1] * (2 - len(spatial)) + spatial
    return (channels, rows, columns)


def flat_window(window: Window, node: Node) -> Window:
    """Return a window over rows and columns; one over sound has one row."""
    if len(window.kernel) > 2:
        sides(node.shape)
    missing = 2 - len(window.kernel)
    return Window(
        (*(1,) * missing, *window.kernel),
        (*(1,) * missing, *window.stride),
        (*(0,) * missing, *window.padding),
        (*(1,) * missing, *window.dilation),
    )


def filters_of(operation: Operation) -> tuple[Numbers, Numbers]:
    """Return the kernel of a layer that sums products, and its biases."""
    weight = np.asarray(operation.weights["weight"], np.float32)
    bias = operation.weights.get("bias", np.zeros(operation.node.shape[0]))
    return weight, np.asarray(bias, np.float32)
