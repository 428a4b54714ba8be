"""The channels of several inputs, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

import numpy as np

from core.arrays import Array
from core.errors import InvalidInput
from core.nets.layer import Backward, Context, Layer, LayerSpec, Shape, Weights


class ConcatenateSpec(LayerSpec):
    """The channels of several inputs, one after the other."""

    layer: Literal["concatenate"]


def shape(spec: ConcatenateSpec, shapes: Sequence[Shape]) -> Shape:
    """Return ``(sum of the channels, *spatial)``."""
    if len(shapes) < 2 or len({one[1:] for one in shapes}) > 1:
        raise InvalidInput(
            "only the channels may differ",
            field="inputs",
            given=list(shapes),
            accepted="two or more, of the same size behind the first axis",
        )
    return (sum(one[0] for one in shapes), *shapes[0][1:])


def forward(
    spec: ConcatenateSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return the inputs joined along the first axis, and their gradients: its parts."""
    y = np.concatenate(inputs, axis=0)
    *starts, _ = accumulate((len(x) for x in inputs), initial=0)

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        if not context.wanted:
            return (None,) * len(inputs), {}
        return tuple(
            dy[start : start + len(x)] for start, x in zip(starts, inputs, strict=True)
        ), {}

    return y, backward


LAYER = Layer(
    name="concatenate", spec=ConcatenateSpec, shape=shape, forward=forward, many=True, half=True
)
