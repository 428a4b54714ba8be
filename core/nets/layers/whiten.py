"""Every image brought to mean 0 and variance 1; if asked for, its spectrum flattened before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, fft_module
from core.errors import InvalidInput
from core.nets.constants import beside
from core.nets.layer import Backward, Context, Layer, LayerSpec, Shape, Weights
from core.nets.layers.normal import standardized


class WhitenSpec(LayerSpec):
    """Mean 0 and variance 1 for every image, and optionally as much of each frequency."""

    layer: Literal["whiten"]
    cut_off: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Flatten the spectrum first, which in natural images falls as 1 / frequency, "
        "up to about this many cycles per pixel (0.4 is usual); null: leave it.",
    )
    epsilon: float = Field(
        default=1e-5, gt=0, le=1, description="Added to the variance, which may be zero."
    )


def shape(spec: WhitenSpec, shapes: Sequence[Shape]) -> Shape:
    """Return the shape that comes in."""
    (incoming,) = shapes
    if spec.cut_off is not None and len(incoming) < 2:
        raise InvalidInput(
            "a vector has no spectrum",
            field="cut_off",
            given=spec.cut_off,
            accepted=f"null, or inputs (channels, *spatial) instead of {incoming}",
        )
    return incoming


def forward(
    spec: WhitenSpec, inputs: Sequence[Array], weights: Weights, context: Context
) -> tuple[Array, Backward]:
    """Return the whitened images, and their gradient.

    The spectrum of each channel is multiplied by ``f * exp(-(f / cut_off)**4)``, where ``f`` is
    the distance to frequency 0 in cycles per pixel (B. A. Olshausen and D. J. Field, "Sparse coding
    with an overcomplete basis set: a strategy employed by V1?", 1997); the image continues
    periodically.
    """
    (x,) = inputs
    y, through = standardized(
        x if spec.cut_off is None else _flattened(x, spec.cut_off), spec.epsilon
    )

    def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        if not context.wanted:
            return (None,), {}
        dx = through(dy)
        # The filter is symmetric, hence its own transpose.
        return (dx if spec.cut_off is None else _flattened(dx, spec.cut_off),), {}

    return y, backward


def _flattened(x: Array, cut_off: float) -> Array:
    fft, axes, sides = fft_module(x), range(1, x.ndim - 1), x.shape[1:-1]
    spectrum = fft.rfftn(x, axes=axes)
    spectrum *= beside(x, response(sides, cut_off).astype(x.dtype, copy=False))
    return fft.irfftn(spectrum, s=sides, axes=axes)


@lru_cache(maxsize=16)
def response(sides: Shape, cut_off: float) -> Array:
    """Return the factor of each frequency of `numpy.fft.rfftn`, ``(1, *frequencies, 1)``."""
    *rows, last = sides
    along = [np.fft.fftfreq(side) for side in rows] + [np.fft.rfftfreq(last)]
    squares = sum(f**2 for f in np.meshgrid(*along, indexing="ij"))
    return (np.sqrt(squares) * np.exp(-((squares / cut_off**2) ** 2)))[np.newaxis, ..., np.newaxis]


LAYER = Layer(name="whiten", spec=WhitenSpec, shape=shape, forward=forward)
