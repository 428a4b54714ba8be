"""BatchNormalization with the statistics that training left behind."""

from __future__ import annotations

import numpy as np

from core.arrays import Array
from core.conv.blocks import Check
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator


def batch_normalization(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return ``scale (x - mean) / sqrt(variance + epsilon) + shift`` per channel."""
    x, *given = inputs
    assert x is not None
    if x.ndim < 2:
        raise InvalidInput(
            "needs channels", field=node.inputs[0], given=x.shape, accepted="(N, C, …)"
        )
    across = (-1, *(1,) * (x.ndim - 2))
    for name, values in zip(("scale", "B", "mean", "var"), given, strict=True):
        assert values is not None
        if values.shape != x.shape[1:2]:
            raise InvalidInput(
                "not one number per channel",
                field=name,
                given=values.shape,
                accepted=str(x.shape[1:2]),
            )
    scale, shift, mean, variance = (values.reshape(across) for values in given)  # type: ignore[union-attr]
    # One factor and one summand per channel; the array itself is passed over once for each.
    factor = scale / np.sqrt(variance + variance.dtype.type(node.attributes["epsilon"]))
    return ((x * factor + (shift - mean * factor)).astype(x.dtype, copy=False),)


def refuse(node: Node) -> None:
    """Refuse training, and statistics per position instead of per channel."""
    if node.attributes.get("training_mode") or any(node.outputs[1:]):
        raise InvalidInput(
            "batch normalization is not trained here", field="training_mode", given=1, accepted="0"
        )
    if not node.attributes.get("spatial", 1):
        raise InvalidInput("statistics are per channel", field="spatial", given=0, accepted="1")


BATCH_NORMALIZATION = Operator("BatchNormalization", batch_normalization, refuse, floating=True)
