"""A square of every image is hidden, so that a net does not rely on one part alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module
from core.nets.augment.augment import Augment, AugmentSpec, spatial


class CutoutSpec(AugmentSpec):
    """Hide a square of every image."""

    augment: Literal["cutout"]
    size: int = Field(default=8, ge=1, le=4096, description="Side of the square in pixels.")
    fill: Literal["zero", "mean"] = Field(
        default="zero", description="What is there instead: zeros, or the mean of each channel."
    )


def apply(
    spec: CutoutSpec, x: Array, y: Array, random: np.random.Generator, classes: int | None = None
) -> tuple[Array, Array]:
    """Return the images, each with a square, or what of it is inside, filled.

    Its centre lies anywhere in the image (T. DeVries and G. W. Taylor, "Improved regularization
    of convolutional neural networks with cutout", 2017). Targets stay whole.

    Examples
    --------
    >>> spec = CutoutSpec(augment="cutout", size=2)
    >>> x, _ = apply(spec, np.array([[[1, 2, 3, 4]]]), np.array([7]), np.random.default_rng(0))
    >>> x
    array([[[1, 2, 0, 0]]])
    """
    sides = spatial(x)
    xp = array_module(x)
    hidden = xp.ones((len(x), *(1,) * (x.ndim - 1)), bool)
    for axis, side in enumerate(sides, start=2):
        first = xp.asarray(random.integers(0, side, len(x)))[:, np.newaxis] - spec.size // 2
        place = xp.arange(side)
        within = (first <= place) & (place < first + spec.size)
        hidden = hidden & within.reshape(
            len(x), *(side if a == axis else 1 for a in range(1, x.ndim))
        )
    if spec.fill == "zero":
        return np.where(hidden, x.dtype.type(0), x), y
    mean = x.mean(axis=tuple(range(2, x.ndim)), keepdims=True).astype(x.dtype)
    return np.where(hidden, mean, x), y


AUGMENT = Augment(name="cutout", spec=CutoutSpec, apply=apply)
