"""Mirror images."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module, is_on_gpu
from core.nets.augment.augment import Augment, AugmentSpec, spatial, together


class FlipSpec(AugmentSpec):
    """Show images, or not, as in a mirror."""

    augment: Literal["flip"]
    direction: Literal["horizontal", "vertical"] = Field(
        default="horizontal", description="Exchange left and right, or top and bottom."
    )
    probability: float = Field(default=0.5, ge=0, le=1, description="How likely, for each image.")


def apply(
    spec: FlipSpec, x: Array, y: Array, random: np.random.Generator, classes: int | None = None
) -> tuple[Array, Array]:
    """Return the images, some of them mirrored.

    Examples
    --------
    >>> spec = FlipSpec(augment="flip", probability=1.0)
    >>> apply(spec, np.array([[[1, 2, 3]]]), np.array([7]), np.random.default_rng(0))
    (array([[[3, 2, 1]]]), array([7]))
    """
    axis = {"horizontal": -1, "vertical": -2}[spec.direction]
    spatial(x, least=-axis)
    chosen = random.random(len(x)) < spec.probability

    def move(images: Array) -> Array:
        if is_on_gpu(images):
            xp = array_module(images)
            there = xp.asarray(chosen).reshape(-1, *(1,) * (images.ndim - 1))
            return xp.where(there, xp.flip(images, axis), images)
        moved = images.copy()
        moved[chosen] = np.flip(images[chosen], axis)
        return moved

    return together(move, x, y)


AUGMENT = Augment(name="flip", spec=FlipSpec, apply=apply)
