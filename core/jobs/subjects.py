"""What a plan depends on: the media type, shape and dtype of an input."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.conv.device import Device
from core.errors import ConvqError, InvalidInput, TooLarge, UnsupportedMedia
from core.jobs.inputs import Digest, Input, describe, digests
from core.jobs.kind import Planning
from core.media import PICTURES, WAV, ZARR
from core.store.artifacts import Artifact

# Held exactly by float32, which takes half the time and memory of float64.
_SINGLE = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")


@dataclass(frozen=True)
class Subject:
    """What a plan depends on; inputs that agree in it share one.

    Attributes
    ----------
    media_type : str
        Pictures and sound are computed in floating point, arrays by NumPy's promotion.
    shape : tuple of int
        Without the opacity of a picture.
    dtype : str
        As stored.

    Examples
    --------
    >>> Subject("image/png", (4, 6, 3), "uint8").axes
    (0, 1)
    """

    media_type: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def is_array(self) -> bool:
        """Whether it is neither a picture nor a sound."""
        return self.media_type not in PICTURES and self.media_type != WAV

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes of space or time; those of colours and of a sound's channels are not."""
        if self.media_type == WAV:
            return (0,)
        return tuple(range(len(self.shape) if self.is_array else 2))

    @property
    def extent(self) -> tuple[int, ...]:
        """The lengths of these axes."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def precision(self) -> np.dtype[Any]:
        """The floating dtype that holds every value that the input can have."""
        return np.dtype(np.float32 if self.dtype in _SINGLE else np.float64)


def check_values(subject: Subject) -> None:
    """Refuse what has no axis, or no values.

    Raises
    ------
    InvalidInput
        It is a single number, or empty.
    """
    if not math.prod(subject.shape) or not subject.shape:
        raise InvalidInput(
            "there is nothing to compute along",
            field="inputs",
            given=describe(subject.shape, subject.dtype),
            accepted="at least one axis, and one value",
        )


def check_axes(subject: Subject, most: int) -> None:
    """Refuse arrays with too many axes.

    Raises
    ------
    InvalidInput
        There are more than ``most``.
    """
    if len(subject.axes) > most:
        raise InvalidInput(
            "too many axes",
            field="inputs",
            given=describe(subject.shape, subject.dtype),
            accepted=f"at most {most}",
        )


def check_plane(subject: Subject) -> None:
    """Refuse what has not two axes, apart from colours.

    Raises
    ------
    InvalidInput
        It is a sound, or an array with another number of axes.
    """
    if subject.axes != (0, 1):
        raise InvalidInput(
            "not a picture",
            field="inputs",
            given=describe(subject.shape, subject.dtype),
            accepted="pictures, and arrays of two axes",
        )


def of_record(artifact: Artifact) -> Subject | None:
    """Return the subject of a stored input; None if it holds no array that convq reads."""
    shape = artifact.shape
    if shape is None or artifact.dtype is None or artifact.media_type == ZARR:
        return None
    if artifact.media_type in PICTURES and len(shape) == 3 and shape[2] in (2, 4):
        shape = shape[:2] if shape[2] == 2 else (*shape[:2], 3)
    return Subject(artifact.media_type, shape, artifact.dtype)


def plan_each(
    inputs: list[Digest | Input],
    planning: Planning,
    plan_one: Callable[[Subject], dict[str, Any]],
) -> dict[str, Any]:
    """Plan a job sort by sort of its inputs.

    Parameters
    ----------
    inputs : list
        As in the Spec.
    planning : Planning
        Holds their records.
    plan_one : callable
        Returns for a sort at least ``seconds`` and ``bytes`` for one input, or raises what such
        inputs will fail with.

    Returns
    -------
    dict
        As `document`.

    Raises
    ------
    ConvqError
        The first error, when no input at all can be processed.
    """
    alike: Counter[tuple[str, Subject | None]] = Counter(
        (_description(artifact), of_record(artifact))
        for artifact in map(planning.inputs.__getitem__, digests(inputs))
    )
    groups: list[dict[str, Any]] = []
    errors: list[ConvqError] = []
    for (description, subject), count in alike.items():
        group: dict[str, Any] = {"inputs": count, "input": description}
        try:
            if subject is None:
                raise UnsupportedMedia(
                    "this is no picture, array or sound that convq reads",
                    field="inputs",
                    given=description,
                    accepted="a picture, an npy, an npz of one array, or a WAV",
                )
            check_values(subject)
            group |= plan_one(subject)
        except ConvqError as error:
            errors.append(error)
            group["error"] = error.to_dict()
        groups.append(group)
    if len(errors) == len(groups):
        raise errors[0]
    far = planning.gpu
    is_far = far is not None and any(group.get("device") == far.name for group in groups)
    return document(far if far is not None and is_far else planning.device, groups)


def document(device: Device, groups: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a plan: ``device``, ``seconds`` and ``bytes`` of the whole, and ``groups``."""
    planned = [group for group in groups if "error" not in group]
    return {
        "device": {"kind": device.kind, "name": device.name},
        "seconds": sum(group["seconds"] * group["inputs"] for group in planned),
        "bytes": max(group["bytes"] for group in planned),
        "groups": groups,
    }


def work(
    chosen: str, why: str, seconds: float, needed: float, planning: Planning
) -> dict[str, Any]:
    """Return the plan of work that is not one convolution; refuse what takes too much memory.

    Raises
    ------
    TooLarge
        If ``needed`` bytes are more than a worker may use.
    """
    if needed > planning.memory_cap:
        raise TooLarge(
            "this input takes more memory than one piece of work may use",
            field="inputs",
            given=f"{int(needed)} bytes",
            accepted=f"at most {planning.memory_cap}",
        )
    return {"chosen": chosen, "why": why, "seconds": seconds, "bytes": int(needed)}


def _description(artifact: Artifact) -> str:
    if artifact.shape is None or artifact.dtype is None:
        return artifact.media_type
    return describe(artifact.shape, artifact.dtype)
