"""Cross-entropy from logits: which one of the classes it is."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from pydantic import Field

from core.arrays import Array, array_module, is_on_gpu
from core.errors import InvalidInput
from core.nets.losses.loss import Loss, LossSpec, mean, targets_as


class CrossEntropySpec(LossSpec):
    """Cross-entropy; the net's last layer has no softmax, the loss has it."""

    loss: Literal["cross_entropy"]
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Share of each target that is spread over all classes."
    )


@np.errstate(over="ignore", invalid="ignore")
def value(spec: CrossEntropySpec, outputs: Array, targets: Array) -> tuple[float | Array, Array]:
    """Return the mean of ``-sum_k q_k log p_k`` over images (and places), and its gradient.

    ``p`` is the softmax over the first axis, ``q`` the target: 1 for the label's class, or as it
    is given; with smoothing ``e`` it is ``(1 - e) q + e / classes`` (C. Szegedy et al.,
    "Rethinking the Inception architecture for computer vision", 2016). Nothing overflows however
    large an output is.

    Parameters
    ----------
    spec : CrossEntropySpec
    outputs : array of shape ``(classes, *S, N)``
        Logits.
    targets : array of shape ``(N, *S)`` or ``(N, classes, *S)``
        Labels, integers from 0; or distributions over the classes, such as mixup makes.

    Returns
    -------
    float, array of shape ``(classes, *S, N)``

    Raises
    ------
    InvalidInput
        Targets do not fit the outputs, or a label is no class.

    Examples
    --------
    >>> logits = np.array([[0.0, 1000.0], [0.0, 0.0]])
    >>> value(CrossEntropySpec(loss="cross_entropy"), logits, np.array([0, 0]))
    (0.34657359027997264, array([[-0.25,  0.  ],
           [ 0.25,  0.  ]]))
    """
    classes, places = outputs.shape[0], math.prod(outputs.shape[1:])
    wanted = _distributions(outputs, targets).reshape(classes, places)
    if spec.label_smoothing:
        wanted = (1 - spec.label_smoothing) * wanted + spec.label_smoothing / classes
    logits = outputs.reshape(classes, places)
    # The largest exponent is 0, so nothing overflows and no sum is 0.
    shifted = logits - logits.max(axis=0)
    gradient = np.exp(shifted)
    total = gradient.sum(axis=0)
    shifted -= np.log(total)
    # Where a class is not wanted at all, an infinite logarithm is of no account.
    found = -mean(np.where(wanted, wanted * shifted, 0).sum(axis=0))
    gradient *= wanted.sum(axis=0) / total
    gradient -= wanted
    gradient /= places
    return found, gradient.reshape(outputs.shape)


def _distributions(outputs: Array, targets: Array) -> Array:
    if targets.ndim == outputs.ndim and targets.dtype.kind == "f":
        return targets_as(outputs, targets)
    classes, *shape, images = outputs.shape
    if targets.shape != (images, *shape) or targets.dtype.kind not in "iu":
        raise InvalidInput(
            "neither a label nor a distribution for each output",
            field="targets",
            given=f"{targets.dtype} {targets.shape}",
            accepted=f"labels, integers {(images, *shape)}; or distributions, floating-point "
            f"{(images, classes, *shape)}",
        )
    labels = np.moveaxis(targets, 0, -1)
    if is_on_gpu(targets):
        # A comparison can be part of a CUDA graph, and one number at a place cannot.
        every = array_module(outputs).arange(classes).reshape(-1, *(1,) * labels.ndim)
        return (every == labels).astype(outputs.dtype)
    check(targets, classes)
    wanted = np.zeros_like(outputs)
    np.put_along_axis(wanted, labels[np.newaxis].astype(np.intp, copy=False), 1, axis=0)
    return wanted


def check(targets: Array, classes: int) -> None:
    """Refuse labels that are none of the classes; distributions are taken as they are.

    Examples
    --------
    >>> check(np.array([0, 2]), 3)
    """
    if (
        targets.dtype.kind != "f"
        and targets.size
        and not 0 <= targets.min() <= targets.max() < classes
    ):
        raise InvalidInput(
            "a label is none of the net's classes",
            field="targets",
            given=f"{int(targets.min())} to {int(targets.max())}",
            accepted=f"0 to {classes - 1}",
        )


LOSS = Loss(name="cross_entropy", spec=CrossEntropySpec, value=value, check=check)
