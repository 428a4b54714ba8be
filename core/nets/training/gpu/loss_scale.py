"""By how much the loss is enlarged, so that its gradients do not become zero in float16.

The scale is doubled when gradients have been finite for long, and halved when they are not; that
step is then not taken (P. Micikevicius et al., "Mixed precision training", 2018, section 3.2).
All of it is decided on the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import Array

SCALE, STEPS = "loss_scale", "loss_scale_steps"

_FIRST = 2.0**16
_LARGEST = 2.0**24
# Steps with finite gradients after which a larger scale is tried.
_PATIENCE = 2000


def fresh() -> dict[str, Array]:
    """Return the scale before the first step, and for how many steps it has held.

    Examples
    --------
    >>> fresh()
    {'loss_scale': array(65536., dtype=float32), 'loss_scale_steps': array(0)}
    """
    return {SCALE: np.full((), _FIRST, np.float32), STEPS: np.zeros((), np.int64)}


def unscale(gradients: Iterable[Array], kept: Mapping[str, Array]) -> Array:
    """Divide gradients by the scale, in place; return whether all are finite, on the device."""
    finite = None
    for gradient in gradients:
        gradient /= kept[SCALE]
        own = np.isfinite(gradient).all()
        finite = own if finite is None else finite & own
    return finite


def adapt(kept: Mapping[str, Array], finite: Array, cupy: Any) -> None:
    """Move the scale, in place, after a step whose gradients were finite, or were not.

    Examples
    --------
    >>> kept = fresh()
    >>> adapt(kept, np.array(False), np)
    >>> kept["loss_scale"]
    array(32768., dtype=float32)
    """
    scale, held = kept[SCALE], kept[STEPS]
    held[...] = cupy.where(finite, held + 1, 0)
    grows = held == _PATIENCE
    factor = cupy.where(finite, cupy.where(grows, 2.0, 1.0), 0.5).astype(scale.dtype)
    scale[...] = cupy.minimum(scale * factor, _LARGEST)
    held[...] = cupy.where(grows, 0, held)


def restore(arrays: Sequence[Array], before: Sequence[Array], finite: Array, cupy: Any) -> None:
    """Undo a step, in place, if gradients were not finite."""
    for array, old in zip(arrays, before, strict=True):
        array[...] = cupy.where(finite, array, old)
