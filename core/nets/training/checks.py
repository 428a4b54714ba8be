"""Whether net, data and options fit, found out before anything is learned."""

from __future__ import annotations

import numpy as np

from core.arrays import Array
from core.errors import InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.losses import AnyLoss
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.losses.mse import MseSpec
from core.nets.network import Network
from core.nets.training.options import TrainOptions
from core.nets.training.split import Indices


def loss_for(data: Dataset, loss: AnyLoss | None) -> AnyLoss:
    """Return the loss that was asked for, or the one that goes with the data.

    Raises
    ------
    InvalidInput
        If a loss of classes is to be taken of numbers, or of numbers of classes.
    """
    if loss is None:
        return (
            MseSpec(loss="mse") if data.classes is None else CrossEntropySpec(loss="cross_entropy")
        )
    if (loss.loss == "cross_entropy") != (data.classes is not None):
        raise InvalidInput(
            "the data set has no classes" if data.classes is None else "the data set has classes",
            field="loss.loss",
            given=loss.loss,
            accepted="another loss than cross_entropy" if data.classes is None else "cross_entropy",
        )
    return loss


def check_fit(network: Network, data: Dataset, *, field: str = "data") -> None:
    """Raise unless the net takes these images and gives what is to be learned of them.

    Parameters
    ----------
    network : Network
    data : Dataset
    field : str
        What errors call the data set.

    Raises
    ------
    InvalidInput
        Names what the data set has and what the net needs; or a label that is none of the
        classes, or that there are not as many labels or targets as images.
    """
    if tuple(data.shape) != network.input_shape:
        raise InvalidInput(
            "the images do not have the shape that the net takes",
            field=field,
            given=tuple(data.shape),
            accepted=str(network.input_shape),
        )
    if data.y is not None and len(data.y) != len(data):
        raise InvalidInput(
            "there are not as many labels or targets as images",
            field=field,
            given=f"{len(data.y)} for {len(data)} images",
            accepted="one for each image",
        )
    if data.classes is None:
        _check_targets(network, data, field)
    else:
        _check_labels(network, data, data.classes, field)


def check_validation(data: Dataset, validation: Dataset) -> None:
    """Raise unless two data sets have the same classes in the same order.

    Raises
    ------
    InvalidInput
        Names the classes of both.
    """
    if data.classes != validation.classes:
        raise InvalidInput(
            "the data sets for training and validation have different classes",
            field="validation",
            given=validation.classes,
            accepted=data.classes or "no classes",
        )


def check_early_stopping(options: TrainOptions, data: Dataset, validation: Dataset | None) -> None:
    """Raise unless there is something to watch where early stopping is wanted.

    Raises
    ------
    InvalidInput
        Nothing is validated, or the data has no classes and accuracy is to be watched.
    """
    wanted = options.early_stopping
    if wanted is None:
        return
    if validation is None:
        raise InvalidInput(
            "early stopping needs images to validate with",
            field="early_stopping",
            given=f"validation {options.validation}",
            accepted="a validation fraction above 0, or a data set for validation",
        )
    if wanted.metric == "validation_accuracy" and data.classes is None:
        raise InvalidInput(
            "there is no accuracy without classes",
            field="early_stopping.metric",
            given=wanted.metric,
            accepted="validation_loss",
        )


def check_precision(options: TrainOptions, *, on_gpu: bool) -> None:
    """Raise if mixed precision is wanted where it would only be slower.

    Raises
    ------
    InvalidInput
        The training is to run on a processor, which computes float16 by converting each number.

    Examples
    --------
    >>> check_precision(TrainOptions(epochs=1), on_gpu=False)
    """
    if options.precision == "mixed" and not on_gpu:
        raise InvalidInput(
            "mixed precision is computed on a GPU only",
            field="precision",
            given=options.precision,
            accepted="float32, or a worker that has a GPU",
        )


def check_finite(values: Array, images: Indices, field: str) -> None:
    """Raise if some of these images, or of their targets, have a number that is not finite.

    Parameters
    ----------
    values : ndarray (N, ...)
    images : ndarray (N,)
        Which images they are, for the error.
    field : str
        What errors call them.

    Raises
    ------
    InvalidInput
        Names the first such image.

    Examples
    --------
    >>> check_finite(np.array([[1.0], [np.nan]]), np.array([7, 4]), "data.x")
    Traceback (most recent call last):
    core.errors.InvalidInput: data.x: image 4 has a number that is not finite (given: nan; ...
    """
    if values.dtype.kind != "f":
        return
    finite = np.isfinite(values).reshape(len(values), -1)
    if not finite.all():
        bad = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise InvalidInput(
            f"image {images[bad]} has a number that is not finite",
            field=field,
            given=float(values.reshape(len(values), -1)[bad][~finite[bad]][0]),
            accepted="finite numbers",
        )


def _check_labels(network: Network, data: Dataset, classes: tuple[str, ...], field: str) -> None:
    if network.output_shape != (len(classes),):
        raise InvalidInput(
            f"the data set has {len(classes)} classes, and the net has another number of outputs",
            field="model",
            given=network.output_shape,
            accepted=f"({len(classes)},)",
        )
    labels = np.asarray(data.y)
    bad = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if bad.size:
        raise InvalidInput(
            f"the label of image {bad[0]} is none of the {len(classes)} classes",
            field=field,
            given=int(labels[bad[0]]),
            accepted=f"0 to {len(classes) - 1}",
        )


def _check_targets(network: Network, data: Dataset, field: str) -> None:
    shape = tuple(data.shape) if data.y is None else data.y.shape[1:]
    if shape != network.output_shape:
        raise InvalidInput(
            "the targets do not have the shape of the net's output",
            field=field,
            given=shape,
            accepted=str(network.output_shape),
        )
