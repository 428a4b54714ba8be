"""Random crops, of the images' own size, out of images with a frame around."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array
from core.nets.augment.augment import Augment, AugmentSpec, spatial, together
from core.nets.augment.moving import Outside, moved, offsets


class CropSpec(AugmentSpec):
    """Cut images out of themselves with a frame around."""

    augment: Literal["crop"]
    padding: int = Field(default=4, ge=1, le=1024, description="Width of the frame in pixels.")
    outside: Outside = Field(default="zero", description="What the frame is filled with.")


def apply(
    spec: CropSpec, x: Array, y: Array, random: np.random.Generator, classes: int | None = None
) -> tuple[Array, Array]:
    """Return the images, each cut out somewhere of itself with the frame.

    K. He et al., "Deep residual learning for image recognition", 2016, section 4.2, take 4 zeros
    around images of 32 x 32.

    Examples
    --------
    >>> spec = CropSpec(augment="crop", padding=1)
    >>> x, _ = apply(spec, np.array([[[1, 2, 3, 4]]]), np.array([7]), np.random.default_rng(0))
    >>> x
    array([[[0, 1, 2, 3]]])
    """
    reach = [spec.padding] * len(spatial(x))
    by = offsets(len(x), reach, random)
    return together(lambda images: moved(images, by, reach, spec.outside), x, y)


AUGMENT = Augment(name="crop", spec=CropSpec, apply=apply)
