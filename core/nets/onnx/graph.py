"""What an ONNX file says, checked, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import Array


@dataclass(frozen=True)
class Value:
    """An input of a graph.

    Attributes
    ----------
    name : str
        As the file has it.
    dtype : dtype
        Of the array that is to come in.
    shape : tuple of int or None, or None
        Its shape, with None for lengths that are free; None where even the number of axes is.
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes
    ----------
    op : str
        The operator, for example ``"Conv"``.
    label : str
        How errors call the node: its name in the file, or its operator and place.
    inputs, outputs : tuple of str
        Names of values; empty for those that are left out.
    attributes : mapping
        By name, with the defaults of the operator's version; without those that have none.
    version : int
        The first operator set with this meaning of the operator.
    """

    op: str
    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    version: int


@dataclass(frozen=True)
class Graph:
    """Operations in an order in which they can be carried out.

    Attributes
    ----------
    inputs : tuple of Value
        What a caller gives; those with a constant of the same name may be left out.
    outputs : tuple of str
        What a caller gets.
    constants : mapping
        Read-only arrays by name.
    nodes : tuple of Node
        Each after those whose outputs it needs.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[str, ...]
    constants: Mapping[str, Array]
    nodes: tuple[Node, ...]
