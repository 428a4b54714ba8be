"""The optimisers that convq knows; a new one is one file and two lines here."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from core.nets.optimisers import adadelta, adam, adamw, rmsprop, sgd
from core.nets.optimisers.optimiser import Optimiser, OptimiserSpec

OPTIMISERS: tuple[Optimiser[Any], ...] = (
    sgd.OPTIMISER,
    adam.OPTIMISER,
    adamw.OPTIMISER,
    adadelta.OPTIMISER,
    rmsprop.OPTIMISER,
)

# Written out because a type checker reads a union, not a loop; a test holds it to OPTIMISERS.
AnyOptimiser: TypeAlias = Annotated[
    sgd.SgdSpec | adam.AdamSpec | adamw.AdamWSpec | adadelta.AdadeltaSpec | rmsprop.RmspropSpec,
    Field(discriminator="optimiser"),
]

_BY_NAME = {optimiser.name: optimiser for optimiser in OPTIMISERS}


def optimiser_of(spec: OptimiserSpec) -> Optimiser[Any]:
    """Return the optimiser that ``spec`` describes.

    Examples
    --------
    >>> optimiser_of(adam.AdamSpec(optimiser="adam")).name
    'adam'
    """
    return _BY_NAME[spec.optimiser]
