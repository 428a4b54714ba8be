"""What a loss is: a Spec, and a value beside its gradient.

A loss is one file that ends with ``LOSS = Loss(...)``, and two lines in `core.nets.losses`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.arrays import Array, is_on_gpu
from core.errors import InvalidInput


class LossSpec(BaseModel):
    """Base of the description of every loss."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    loss: str


SpecT = TypeVar("SpecT", bound=LossSpec)


def anything(targets: Array, classes: int) -> None:
    """Refuse nothing: of a loss that takes all numbers."""


@dataclass(frozen=True)
class Loss(Generic[SpecT]):
    """A kind of loss.

    Attributes
    ----------
    name : str
        The value of ``loss`` in its description.
    spec : type
        The pydantic model of the description.
    value : callable
        ``(spec, outputs, targets) -> (mean over the images, its gradient)``. ``outputs`` is what
        the net returns, ``(*shape, N)``: batch-last; ``targets`` is what the data set has,
        ``(N, ...)``: batch-first. The gradient has shape and dtype of ``outputs``. Neither is
        written to. NaN and infinity come out as they must, without a warning. Raises
        `core.errors.InvalidInput`, naming ``targets``, where they do not fit the outputs. Of
        arrays on a device the mean is one, too, and nobody looks at the values of targets: `check`
        does, where they come from.
    check : callable
        ``(targets, classes) -> None`` refuses values of targets, on the host, that no output of
        the net could have; ``classes`` is how many the net knows.
    """

    name: str
    spec: type[SpecT]
    value: Callable[[SpecT, Array, Array], tuple[float | Array, Array]]
    check: Callable[[Array, int], None] = anything


def targets_as(outputs: Array, targets: Array) -> Array:
    """Return ``targets (N, *shape)`` as ``outputs (*shape, N)`` lies, and of its dtype.

    Targets ``(N,)`` serve for a net with one output, ``(1, N)``.

    Raises
    ------
    InvalidInput
        The shapes differ.

    Examples
    --------
    >>> targets_as(np.zeros((2, 3)), np.array([[1, 4], [2, 5], [3, 6]]))
    array([[1., 2., 3.],
           [4., 5., 6.]])
    """
    *shape, images = outputs.shape
    if targets.shape == (images,) and math.prod(shape) == 1:
        targets = targets.reshape(images, *shape)
    if targets.shape != (images, *shape):
        raise InvalidInput(
            "targets do not have the shape of what the net returns",
            field="targets",
            given=targets.shape,
            accepted=f"{(images, *shape)}, images first",
        )
    return np.moveaxis(targets, 0, -1).astype(outputs.dtype, copy=False)


def mean(values: Array) -> float | Array:
    """Return the mean, summed in double precision whatever the dtype; of a device's array there."""
    found = values.mean(dtype=np.float64)
    return found if is_on_gpu(values) else float(found)
