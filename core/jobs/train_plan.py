"""What a training will take, known from the head of its data set and the shapes of its net."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.conv.device import Device
from core.conv.residency import Devices, Place, choose
from core.errors import InvalidInput, TooLarge
from core.jobs.kind import Planning
from core.jobs.places import placed_plan
from core.needs import Wish
from core.nets.architectures import architecture_of
from core.nets.architectures.architecture import ArchitectureSpec
from core.nets.data import DataInfo, DataOptions, Dataset, inspect
from core.nets.network import Network
from core.nets.spec import NetSpec
from core.nets.training.batches import steps
from core.nets.training.checks import (
    check_early_stopping,
    check_fit,
    check_precision,
    check_validation,
    loss_for,
)
from core.nets.training.options import TrainOptions
from core.nets.training.split import split

# Forward, and the gradients with respect to the inputs and to the kernels.
_PASSES = 3
# Times that an activation goes through memory in a step: written and read by each pass of a layer.
_TRIPS = 8
_FLOAT = 4
# Operations on arrays that a layer takes in a step, forward and back, where each is one on a GPU.
# Counted, not measured; a CUDA graph launches them faster than one by one, as they are priced.
_OPERATIONS = 16
# Of the precisions of trainings, what those are called that are no precision of products.
_PRODUCTS = {"mixed": "float16"}
# Of the weights, beside those that the net counts: what an optimiser keeps at most, a moving
# average, and the best weights yet.
_COPIES = 4


def net_spec(model: ArchitectureSpec | NetSpec, info: DataInfo) -> NetSpec:
    """Return the net for these data: a named architecture takes its shape from them.

    Raises
    ------
    InvalidInput
        If the architecture does not suit the data.
    """
    if isinstance(model, NetSpec):
        return model
    if info.classes is not None:
        outputs = len(info.classes)
    elif info.task == "reconstruction":
        outputs = info.shape[0]
    elif info.target is not None and len(info.target) == 1:
        outputs = info.target[0]
    else:
        raise InvalidInput(
            "a named architecture learns classes, or a vector of numbers",
            field="model",
            given=f"targets of shape {info.target}",
            accepted="the layers of a net that gives this shape",
        )
    return architecture_of(model).build(model, info.shape, outputs)


def describe(
    model: ArchitectureSpec | NetSpec,
    data: str,
    validation: str | None,
    reading: DataOptions,
    options: TrainOptions,
    epochs: int,
    planning: Planning,
    wish: Wish,
) -> dict[str, Any]:
    """Return the plan of a training; see `core.jobs.train.plan`."""
    info = _inspect(data, reading, planning)
    with _below("model"):
        network = Network(net_spec(model, info))
    known = _described(info)
    with _below("options"):
        loss_for(known, options.loss)
        check_precision(options, on_gpu=wish == "gpu")
    check_fit(network, known)
    learned, validated = info.count, None
    if validation is not None:
        validated = _described(_inspect(validation, reading, planning))
        check_fit(network, validated, field="validation")
        check_validation(known, validated)
    with _below("options"):
        if validation is None and options.validation:
            validated = known
            labels = None if info.classes is None else known.y
            images, _ = split(
                info.count, options.validation, options.seed, labels, info.classes or ()
            )
            learned = len(images)
        check_early_stopping(options, known, validated)
    needed = _bytes(network, info, options, planning.memory_cap)
    if needed > planning.memory_cap:
        raise TooLarge(
            "the training would need more memory than a worker may use",
            field="model",
            given=f"{needed} bytes",
            accepted=f"at most {planning.memory_cap}; a smaller batch, or fewer parameters",
        )
    place = place_of(network, info, learned, options, epochs, planning.devices(wish))
    return placed_plan(place) | {
        "seconds": place.plan + place.transfers,
        "bytes": needed,
        "groups": [],
        "seconds_per_epoch": place.plan / epochs,
        "data": info.to_dict() | {"about": {}},
        "images": learned,
        "parameters": network.parameter_count,
        "multiply_adds": network.multiply_adds,
        "products": place.device.products(_PRODUCTS.get(options.precision, options.precision)),
        "layers": [
            {
                "name": node.name,
                "layer": node.layer.name,
                "shape": list(node.shape),
                "parameters": sum(prod(p.shape) for p in node.parameters.values()),
                "multiply_adds": node.multiply_adds,
            }
            for node in network.nodes
        ],
    }


def place_of(
    network: Network,
    info: DataInfo,
    learned: int,
    options: TrainOptions,
    epochs: int,
    devices: Devices,
) -> Place[float]:
    """Return where a training is done first, with the seconds that it takes there.

    Parameters
    ----------
    network : Network
    info : DataInfo
        Of the images to learn from.
    learned : int
        How many of them are learned from; the others are for validation.
    options : TrainOptions
    epochs : int
        How many there will be.
    devices : Devices
        To choose from.

    Raises
    ------
    Unavailable
        A GPU is wanted, and none is there.
    """
    return choose(
        lambda device: epochs * _seconds(network, learned, info.count, options.batch, device),
        lambda seconds: seconds,
        devices,
        lambda _: (info.nbytes, 0),
    )


class _Unread:
    """The images of a data set of which only the head was read."""

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        raise AssertionError("a plan does not look at images")


def _described(info: DataInfo) -> Dataset:
    """Return a data set that is known as far as its head tells."""
    y: NDArray[Any] | None = None
    if info.classes is not None:
        y = np.repeat(np.arange(len(info.classes)), info.counts or 0)
    elif info.task == "regression":
        y = np.broadcast_to(np.float32(0), (info.count, *(info.target or ())))
    return Dataset(info, _Unread(), y)


def _inspect(digest: str, reading: DataOptions, planning: Planning) -> DataInfo:
    with planning.artifacts.open(digest) as file:
        return inspect(file, reading)


@contextmanager
def _below(field: str) -> Iterator[None]:
    """Name the fields of errors as they stand in the job."""
    try:
        yield
    except InvalidInput as error:
        raise type(error)(
            error.message,
            field=f"{field}.{error.field}" if error.field else field,
            given=error.given,
            accepted=error.accepted,
        ) from error


def _bytes(network: Network, info: DataInfo, options: TrainOptions, memory_cap: int) -> int:
    batch = min(options.batch, info.count)
    # What does not fit into its share of the memory is read as it is used.
    images = min(info.nbytes, memory_cap // 4) + 2 * batch * prod(info.shape) * _FLOAT
    copies = _COPIES * _FLOAT * network.parameter_count
    return network.memory(batch, training=True) + copies + images


def _seconds(network: Network, learned: int, count: int, batch: int, device: Device) -> float:
    """Return the predicted seconds of an epoch: training, and validation with the other images."""
    if device.kind == "gpu":
        operations = _OPERATIONS * len(network.nodes) * steps(learned, batch)
        return operations * device.call + _of_images(network, learned, count, device)
    return _of_images(network, learned, count, device)


def _of_images(network: Network, learned: int, count: int, device: Device) -> float:
    activations = sum(prod(shape) for shape in network.shapes.values())
    forward = network.multiply_adds * device.direct["float32"]
    moved = activations * _FLOAT * _TRIPS * device.copy
    return learned * (_PASSES * forward + moved) + (count - learned) * (forward + moved / _PASSES)
