"""Images and their targets mixed two by two."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module
from core.errors import InvalidInput
from core.nets.augment.augment import Augment, AugmentSpec


class MixupSpec(AugmentSpec):
    """Mix images, and their targets, two by two."""

    augment: Literal["mixup"]
    alpha: float = Field(
        default=0.2,
        gt=0,
        le=100,
        description="Shares follow the distribution Beta(alpha, alpha): the larger, the more even.",
    )


def apply(
    spec: MixupSpec, x: Array, y: Array, random: np.random.Generator, classes: int | None = None
) -> tuple[Array, Array]:
    """Return every image mixed with another one of the batch; labels become distributions.

    H. Zhang et al., "mixup: beyond empirical risk minimization", 2018; each image has a share of
    its own.

    Returns
    -------
    x : array of shape ``(N, C, *S)``
        Floating-point, float32 for small integers.
    y : array of shape ``(N, classes)`` or that of ``y``
        Distributions, float32, if ``y`` is labels; else targets mixed as the images are.

    Raises
    ------
    InvalidInput
        ``y`` is labels and ``classes`` is not known.

    Examples
    --------
    >>> spec, x = MixupSpec(augment="mixup"), np.array([[[0.0]], [[1.0]]])
    >>> x, y = apply(spec, x, np.array([0, 1]), np.random.default_rng(0), classes=2)
    >>> bool((y[:, 1] == x[:, 0, 0].astype("float32")).all()), y.sum(axis=1)
    (True, array([1., 1.], dtype=float32))
    """
    xp = array_module(x)
    own = xp.asarray(random.beta(spec.alpha, spec.alpha, len(x)))
    other = xp.asarray(random.permutation(len(x)))
    if y.dtype.kind in "iu" and y.ndim == 1:
        y = _distributions(y, classes)
    return _mixed(x, own, other), _mixed(y, own, other)


def _mixed(values: Array, own: Array, other: Array) -> Array:
    dtype = np.result_type(values.dtype, np.float32)
    share = own.astype(dtype).reshape(-1, *(1,) * (values.ndim - 1))
    mixed = values * share
    mixed += values[other] * (1 - share)
    return mixed


def _distributions(labels: Array, classes: int | None) -> Array:
    if classes is None:
        raise InvalidInput(
            "labels are mixed as distributions over the classes, which are not known",
            field="augment",
            given="mixup",
            accepted="data with classes, or with floating-point targets",
        )
    return array_module(labels).eye(classes, dtype=np.float32)[labels]


AUGMENT = Augment(name="mixup", spec=MixupSpec, apply=apply)
