"""A net on its way to the steps that a box takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.edge.fusion import Numbers
from core.edge.tensors import Buffer, Region, Sides, Step, whole
from core.errors import InvalidInput
from core.nets.graph import Node
from core.nets.layer import Shape, Weights
from core.nets.window import Window


@dataclass(frozen=True)
class Value:
    """What a layer returns.

    Attributes
    ----------
    region : Region
        Where it is.
    flat : bool
        Whether it counts as a vector, channel by channel, though it lies pixel by pixel.
    """

    region: Region
    flat: bool = False


@dataclass
class Lowering:
    """A net on its way to steps.

    Attributes
    ----------
    lanes : int
        Channels of a tensor are rounded up to a multiple of it.
    weights : mapping
        Of the net.
    steps, arrays : list
        What has been found so far: the steps, and the weights that they refer to by number.
    layer : str
        The name of the layer whose steps are being added.
    """

    lanes: int
    weights: Weights
    steps: list[Step] = field(default_factory=list)
    arrays: list[Numbers] = field(default_factory=list)
    layer: str = "input"

    def buffer(self, shape: Sides) -> Buffer:
        """Return room for a tensor."""
        return Buffer(shape, -(-shape[0] // self.lanes) * self.lanes)

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
    ) -> Value:
        """Add a step."""
        act = fields.get("act")
        if act is not None and act[0] == "leaky_relu":
            fields["constants"] = self.array([act[1]])
        self.steps.append(Step(op, self.layer, reads, writes, fields, multiply_adds))
        return Value(whole(writes.buffer))


def flattened(plan: Lowering, value: Value) -> Value:
    """Add a copy whose numbers lie in the order of the net."""
    x = value.region
    shape = (math.prod(x.shape), 1, 1) if value.flat else x.shape
    y = plan.buffer(shape)
    return plan.step("flatten" if value.flat else "copy", [x], whole(y))


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
