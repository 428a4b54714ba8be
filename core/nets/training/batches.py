"""The batches of an epoch: in which order, how they are changed, and made ahead of time."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from core.arrays import Array
from core.nets.augment import augment_of
from core.nets.data.dataset import Dataset
from core.nets.training.checks import check_finite
from core.nets.training.options import TrainOptions
from core.nets.training.split import Indices

# Streams of random numbers that a training takes from its seed. NumPy takes numbers that are left
# out at the end for zeros, so that what tells streams apart comes second.
_ORDER, _AUGMENT = 2, 3


def steps(images: int, batch: int) -> int:
    """Return the number of batches in an epoch; the last one may be smaller.

    A single image that is left over goes into the batch before: batch norm needs two.

    Examples
    --------
    >>> steps(1000, 128), steps(129, 128), steps(130, 128)
    (8, 1, 2)
    """
    full, rest = divmod(images, batch)
    return max(1, full + (rest > 1))


def order(images: Indices, seed: int, epoch: int) -> Indices:
    """Return the images in the order of an epoch, which depends on nothing else.

    Examples
    --------
    >>> sorted(order(np.array([3, 5, 8]), seed=0, epoch=1).tolist())
    [3, 5, 8]
    """
    return np.random.default_rng((seed, _ORDER, epoch)).permutation(images)


def chosen(images: int, batch: int, step: int) -> slice:
    """Return which of the images, in their order, are the batch of a step.

    Examples
    --------
    >>> chosen(129, 64, 0), chosen(129, 64, 1)
    (slice(0, 64, None), slice(64, 129, None))
    """
    end = (step + 1) * batch if step + 1 < steps(images, batch) else images
    return slice(step * batch, end)


def augmentation(seed: int, epoch: int, step: int) -> np.random.Generator:
    """Return the random numbers that change the images of a batch."""
    return np.random.default_rng((seed, _AUGMENT, epoch, step))


def batches(
    data: Dataset, images: Indices, options: TrainOptions, epoch: int, first: int = 0
) -> Generator[tuple[Array, Array]]:
    """Yield the batches of an epoch from step ``first`` on.

    One batch is made in a thread while the one before is in use. What a batch holds depends on
    seed, epoch and step only, so that an epoch can be taken up in its middle.

    Parameters
    ----------
    data : Dataset
    images : ndarray of int64
        The images to learn from.
    options : TrainOptions
        Of which ``seed``, ``batch`` and ``augment`` matter.
    epoch, first : int
        From 0.

    Yields
    ------
    x, y : ndarray
        ``(N, *data.shape)``, and labels ``(N,)`` or targets ``(N, *T)``; mixup makes
        distributions ``(N, classes)`` of labels.

    Raises
    ------
    InvalidInput
        If an image or a target has a number that is not finite (names the image).
    """
    ordered = order(images, options.seed, epoch)
    count = steps(len(images), options.batch)
    classes = None if data.classes is None else len(data.classes)

    def make(step: int) -> tuple[Array, Array]:
        wanted = ordered[chosen(len(ordered), options.batch, step)]
        x, y = data.batch(wanted)
        check_finite(x, wanted, "data.x")
        check_finite(y, wanted, "data.y")
        random = augmentation(options.seed, epoch, step)
        for spec in options.augment:
            x, y = augment_of(spec).apply(spec, x, y, random, classes)
        return x, y

    with ThreadPoolExecutor(1, thread_name_prefix="convq-batches") as pool:
        ahead = pool.submit(make, first) if first < count else None
        for step in range(first, count):
            assert ahead is not None
            made = ahead.result()
            ahead = pool.submit(make, step + 1) if step + 1 < count else None
            yield made
