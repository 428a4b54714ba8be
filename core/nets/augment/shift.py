"""Images moved by a share of their sides."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.nets.augment.augment import Augment, AugmentSpec, spatial, together
from core.nets.augment.moving import Outside, moved, offsets


class ShiftSpec(AugmentSpec):
    """Move images along all axes."""

    augment: Literal["shift"]
    most: float = Field(default=0.1, gt=0, le=0.5, description="How far, as a share of each side.")
    outside: Outside = Field(default="nearest", description="What comes in from outside.")


def apply(
    spec: ShiftSpec, x: Array, y: Array, random: np.random.Generator, classes: int | None = None
) -> tuple[Array, Array]:
    """Return the images, each moved by whole pixels, evenly up to ``most`` of each side.

    Examples
    --------
    >>> spec = ShiftSpec(augment="shift", most=0.5, outside="wrap")
    >>> x, _ = apply(spec, np.array([[[1, 2, 3, 4]]]), np.array([7]), np.random.default_rng(0))
    >>> x
    array([[[3, 4, 1, 2]]])
    """
    reach = [int(spec.most * side) for side in spatial(x)]
    by = offsets(len(x), reach, random)
    return together(lambda images: moved(images, by, reach, spec.outside), x, y)


AUGMENT = Augment(name="shift", spec=ShiftSpec, apply=apply)
