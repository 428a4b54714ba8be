"""What a net is worth on images that it did not learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, array_module, to_numpy
from core.conv.blocks import Check, never
from core.nets.data.dataset import Dataset
from core.nets.layer import Weights
from core.nets.losses import AnyLoss, loss_of
from core.nets.network import Network
from core.nets.training.checks import check_finite
from core.nets.training.split import Indices

_MOST_MISTAKES = 16


@dataclass(frozen=True)
class Mistake:
    """An image whose class was not found.

    Attributes
    ----------
    image : int
        Its index in the data set.
    label, taken_for : int
        Its class, and the class that the net found.
    probability : float
        That the net gave to its class.
    """

    image: int
    label: int
    taken_for: int
    probability: float


@dataclass(frozen=True)
class Evaluation:
    """Figures of a net on a data set.

    Attributes
    ----------
    images : int
    loss : float
        Mean over the images.
    accuracy : float, optional
        Share of the images whose class was found; None where there are no classes.
    confusion : ndarray of int64, shape (classes, classes), optional
        How many images of each class (rows) were taken for each class (columns).
    mistakes : tuple of Mistake
        Those that were most wrong first; 16 at most.
    """

    images: int
    loss: float
    accuracy: float | None = None
    confusion: NDArray[np.int64] | None = None
    mistakes: tuple[Mistake, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-ready."""
        return {
            "images": self.images,
            "loss": self.loss,
            "accuracy": self.accuracy,
            "confusion": None if self.confusion is None else self.confusion.tolist(),
            "mistakes": [vars(mistake) for mistake in self.mistakes],
        }


def evaluate(
    network: Network,
    weights: Weights,
    data: Dataset,
    loss: AnyLoss,
    images: Indices | None = None,
    *,
    batch: int = 256,
    check: Check = never,
) -> Evaluation:
    """Run a net over images and compare with what it should have said.

    Parameters
    ----------
    network : Network
    weights : mapping
        Its parameters and state; where they are, on a device or not, the net is run.
    data : Dataset
    loss : LossSpec
    images : ndarray of int64, optional
        Which images; by default all.
    batch : int
        Images at a time.
    check : callable
        Called before every batch.

    Returns
    -------
    Evaluation

    Raises
    ------
    InvalidInput
        If an image or a target has a number that is not finite (names the image).
    """
    chosen = np.arange(len(data)) if images is None else images
    there = array_module(*weights.values())
    total = 0.0
    labels: list[Array] = []
    scores: list[Array] = []
    for start in range(0, len(chosen), batch):
        check()
        wanted = chosen[start : start + batch]
        x, y = data.batch(wanted)
        check_finite(x, wanted, "validation")
        check_finite(y, wanted, "validation")
        outputs = to_numpy(network.run(weights, there.asarray(x), batch=batch, check=check))
        value, _ = loss_of(loss).value(loss, np.moveaxis(outputs, 0, -1), y)
        total += float(value) * len(x)
        if data.classes is not None:
            labels.append(y)
            scores.append(outputs)
    mean = total / len(chosen)
    if data.classes is None:
        return Evaluation(len(chosen), mean)
    return _of_classes(mean, np.concatenate(labels), np.concatenate(scores), chosen)


def _of_classes(mean: float, labels: Array, scores: Array, images: Indices) -> Evaluation:
    found = scores.argmax(axis=1)
    classes = scores.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, found), 1)
    wrong = np.flatnonzero(found != labels)
    # In double precision: differences between large scores are what counts.
    shifted = scores[wrong].astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    likely = np.exp(shifted)
    given = likely[np.arange(len(wrong)), labels[wrong]] / likely.sum(axis=1)
    worst = np.argsort(given, kind="stable")[:_MOST_MISTAKES]
    mistakes = tuple(
        Mistake(int(images[i]), int(labels[i]), int(found[i]), float(probability))
        for i, probability in zip(wrong[worst], given[worst], strict=True)
    )
    return Evaluation(len(labels), mean, 1 - len(wrong) / len(labels), confusion, mistakes)
