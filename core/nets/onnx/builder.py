"""A graph of ONNX while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from core.arrays import Array
from core.nets.onnx.library import onnx


class Builder:
    """Collects the nodes and arrays of a graph.

    Examples
    --------
    >>> builder = Builder()
    >>> builder.scope = "relu1"
    >>> builder.add("Relu", ["input"])
    'relu1'
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.scope = ""
        """The name of the layer that is written."""
        # A layer may be called so.
        self._taken = {"input", "output"}

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append a node with one output; return the name of that.

        Attributes that are None are left out.
        """
        output = self._fresh(self.scope)
        given = {name: value for name, value in attributes.items() if value is not None}
        self.nodes.append(onnx("helper").make_node(op, list(inputs), [output], output, **given))
        return output

    def weight(self, name: str, array: Array) -> str:
        """Hold an array of the net, under its own name."""
        self.constants.append(onnx("numpy_helper").from_array(np.asarray(array, order="C"), name))
        return name

    def constant(self, name: str, values: ArrayLike, dtype: str = "float32") -> str:
        """Hold an array of the layer that is written; return its name."""
        return self.weight(self._fresh(f"{self.scope}.{name}"), np.asarray(values, dtype))

    def _fresh(self, name: str) -> str:
        number = 1
        found = name
        while found in self._taken:
            number += 1
            found = f"{name}/{number}"
        self._taken.add(found)
        return found
