"""The attribute axis, which may count from the end."""

from __future__ import annotations

from core.errors import InvalidInput
from core.nets.onnx.graph import Node


def axis(node: Node, ndim: int, *, end: bool = False) -> int:
    """Return the attribute axis of ``node``, counted from the start.

    Parameters
    ----------
    node : Node
        With the attribute.
    ndim : int
        Axes of the array that it refers to.
    end : bool
        Whether ``ndim`` itself, the place after the last axis, is one.

    Raises
    ------
    InvalidInput
        There is no such axis.
    """
    return axis_of(int(node.attributes["axis"]), ndim, end=end)


def axis_of(given: int, ndim: int, *, end: bool = False) -> int:
    """Return an axis counted from the start, or raise `InvalidInput` if there is no such one.

    Examples
    --------
    >>> axis_of(-1, 3)
    2
    """
    if not -ndim <= given < ndim + end:
        raise InvalidInput(
            "there is no such axis",
            field="axis",
            given=given,
            accepted=f"{-ndim} to {ndim - 1 + end}",
        )
    return given + ndim if given < 0 else given
