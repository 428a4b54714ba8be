"""Nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from core.arrays import Array
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class IdentitySpec(LayerSpec):
    """What comes in goes out: a name for a place in the net."""

    layer: Literal["identity"]


def compute(
    spec: IdentitySpec, x: Array, context: Context
) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``x``."""
    return x, lambda dy: dy


LAYER = unary("identity", IdentitySpec, compute, half=True)
