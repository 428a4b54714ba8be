"""The Gaussian error linear unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from core.arrays import Array, special_module
from core.nets.layer import Context, LayerSpec
from core.nets.unary import unary


class GeluSpec(LayerSpec):
    """``x`` times the probability that a standard normal number is below ``x`` (no approximation).

    D. Hendrycks and K. Gimpel, "Gaussian error linear units", 2016.
    """

    layer: Literal["gelu"]


def compute(spec: GeluSpec, x: Array, context: Context) -> tuple[Array, Callable[[Array], Array]]:
    """Return ``x * P(X <= x)``."""
    below = special_module(x).ndtr(x)

    def gradient(dy: Array) -> Array:
        factor = np.exp(x * x * -0.5)
        factor *= 1 / math.sqrt(2 * math.pi)
        factor *= x
        factor += below
        factor *= dy
        return factor

    return x * below, gradient


LAYER = unary("gelu", GeluSpec, compute)
