"""The losses that convq knows; a new one is one file and two lines here."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from core.nets.losses import bce, cross_entropy, huber, mae, mse
from core.nets.losses.loss import Loss, LossSpec

LOSSES: tuple[Loss[Any], ...] = (cross_entropy.LOSS, mse.LOSS, mae.LOSS, huber.LOSS, bce.LOSS)

# Written out because a type checker reads a union, not a loop; a test holds it to LOSSES.
AnyLoss: TypeAlias = Annotated[
    cross_entropy.CrossEntropySpec | mse.MseSpec | mae.MaeSpec | huber.HuberSpec | bce.BceSpec,
    Field(discriminator="loss"),
]

_BY_NAME = {loss.name: loss for loss in LOSSES}


def loss_of(spec: LossSpec) -> Loss[Any]:
    """Return the loss that ``spec`` describes.

    Examples
    --------
    >>> loss_of(mse.MseSpec(loss="mse")).name
    'mse'
    """
    return _BY_NAME[spec.loss]
