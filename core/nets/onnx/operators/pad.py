"""Pad, whose negative widths cut off."""

from __future__ import annotations

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator, bounded
from core.nets.onnx.operators.axes import axis_of

_MODES = ("constant", "reflect", "edge", "wrap")


def pad(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return ``x`` with more, or less, at both ends of its axes."""
    x, widths, value, axes = (*inputs, None, None, None)[:4]
    assert x is not None
    given = node.attributes["pads"] if widths is None else widths.ravel().tolist()
    if value is None:
        value = np.asarray(node.attributes.get("value", 0))
    places = range(x.ndim) if axes is None else [axis_of(int(a), x.ndim) for a in axes.ravel()]
    if len(given) != 2 * len(places) or len(set(places)) != len(places):
        raise InvalidInput(
            "not two widths for each axis",
            field="pads",
            given=list(given),
            accepted=f"{2 * len(places)} numbers, for axes {list(places)}",
        )
    around = [(0, 0)] * x.ndim
    for place, before, after in zip(places, given, given[len(places) :], strict=False):
        around[place] = (int(before), int(after))
    shape = [n + before + after for n, (before, after) in zip(x.shape, around, strict=True)]
    if min(shape, default=0) < 0:
        raise InvalidInput("more is cut off than there is", field="pads", given=list(given))
    bounded(shape)
    inside = tuple(
        slice(max(0, -before), n - max(0, -after))
        for n, (before, after) in zip(x.shape, around, strict=True)
    )
    more = [(max(0, before), max(0, after)) for before, after in around]
    mode = node.attributes["mode"]
    if mode == "constant":
        return (np.pad(x[inside], more, constant_values=value.astype(x.dtype).item()),)
    return (np.pad(x[inside], more, mode=mode),)


def refuse(node: Node) -> None:
    """Refuse modes that there are not."""
    given = node.attributes["mode"]
    if given not in _MODES:
        raise InvalidInput("no such mode", field="mode", given=given, accepted=_MODES)


PAD = Operator("Pad", pad, refuse)
