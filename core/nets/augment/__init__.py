"""The augmentations that convq knows; a new one is one file and two lines here."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from core.nets.augment import crop, cutout, flip, mixup, shift
from core.nets.augment.augment import Augment, AugmentSpec

AUGMENTS: tuple[Augment[Any], ...] = (
    flip.AUGMENT,
    shift.AUGMENT,
    crop.AUGMENT,
    cutout.AUGMENT,
    mixup.AUGMENT,
)

# Written out because a type checker reads a union, not a loop; a test holds it to AUGMENTS.
AnyAugment: TypeAlias = Annotated[
    flip.FlipSpec | shift.ShiftSpec | crop.CropSpec | cutout.CutoutSpec | mixup.MixupSpec,
    Field(discriminator="augment"),
]

_BY_NAME = {augment.name: augment for augment in AUGMENTS}


def augment_of(spec: AugmentSpec) -> Augment[Any]:
    """Return the augmentation that ``spec`` describes.

    Examples
    --------
    >>> augment_of(flip.FlipSpec(augment="flip")).name
    'flip'
    """
    return _BY_NAME[spec.augment]
