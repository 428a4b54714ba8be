"""The same values in another shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from core.arrays import Array
from core.errors import InvalidInput
from core.nets.layer import Context, LayerSpec, Shape
from core.nets.unary import unary


class ReshapeSpec(LayerSpec):
    """The same values, in the same order, with other axes."""

    layer: Literal["reshape"]
    to: list[Annotated[int, Field(ge=-1, le=1 << 31)]] = Field(
        min_length=1,
        max_length=4,
        description="The shape of one image afterwards; one length may be -1, for what is left.",
    )


def shape(spec: ReshapeSpec, incoming: Shape) -> Shape:
    """Return the shape afterwards."""
    count, known = math.prod(incoming), math.prod(n for n in spec.to if n != -1)
    open_axes = spec.to.count(-1)
    if open_axes > 1 or known == 0 or count % known or (not open_axes and count != known):
        raise InvalidInput(
            "does not hold as many values as come in",
            field="to",
            given=f"{spec.to}; shape {incoming}",
            accepted=f"positive lengths with the product {count}, of which one may be -1",
        )
    return tuple(count // known if n == -1 else n for n in spec.to)


def compute(
    spec: ReshapeSpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``x`` with other axes before the last."""
    to = (*shape(spec, x.shape[:-1]), x.shape[-1])
    return x.reshape(to), lambda dy: dy.reshape(x.shape)


LAYER = unary("reshape", ReshapeSpec, compute, shape, half=True)
