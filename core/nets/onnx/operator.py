"""What an operator of ONNX is here; a family of operators is one file in ``operators``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from core.arrays import Array
from core.conv.blocks import Check
from core.errors import InvalidInput, TooLarge
from core.nets.onnx.graph import Node

MAX_VALUES = 1 << 30
"""Most values in one array: a few bytes of a file can ask for any size."""

Inputs: TypeAlias = Sequence[Array | None]
"""The arrays that come in, None for one that is left out."""


def accept(node: Node) -> None:
    """Accept every attribute."""


@dataclass(frozen=True)
class Operator:
    """An operator.

    Attributes
    ----------
    name : str
        As ONNX calls it.
    run : callable
        ``(node, inputs, check) -> outputs``; raises `core.errors.InvalidInput` for arrays that do
        not fit. What is left out at the end of the inputs is not in the sequence.
    refuse : callable
        ``(node) -> None``; raises `core.errors.InvalidInput` when the file is read, for what the
        standard allows and convq does not do.
    floating : bool
        Whether it works on floating-point numbers only. Half precision is computed in single.
    """

    name: str
    run: Callable[[Node, Inputs, Check], tuple[Array, ...]]
    refuse: Callable[[Node], None] = accept
    floating: bool = False


def first_output_only(node: Node) -> None:
    """Refuse a node of which more than the first output is wanted."""
    if any(node.outputs[1:]):
        raise InvalidInput(
            f"only the first output of {node.op} is computed",
            field="output",
            given=list(node.outputs),
            accepted="one output",
        )


def bounded(shape: Sequence[int]) -> None:
    """Raise `TooLarge` if an array of that shape would have too many values."""
    if prod(shape) > MAX_VALUES:
        raise TooLarge(
            "an array would become too large",
            field="output",
            given=tuple(shape),
            accepted=f"at most {MAX_VALUES} values",
        )
