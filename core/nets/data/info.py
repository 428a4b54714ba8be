"""What is known of a data set without its images."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

Task: TypeAlias = Literal["classification", "regression", "reconstruction"]


@dataclass(frozen=True)
class DataInfo:
    """What a data set holds.

    Attributes
    ----------
    format : str
        The name of its format.
    count : int
        How many images.
    shape : tuple of int
        Of one image, channels first: ``(C, *S)``, or ``(F,)`` of vectors and texts.
    dtype : str
        Of the images.
    task : {"classification", "regression", "reconstruction"}
        What there is to learn of an image: its class, numbers, or itself.
    classes : tuple of str, optional
        Their names, in the order of the labels.
    counts : tuple of int, optional
        How many images each class has.
    target : tuple of int, optional
        The shape of the target of one image, unless it is a label.
    about : dict
        What one must know to read other images in the same way: ``sample_rate`` (Hz),
        ``vocabulary``.

    Examples
    --------
    >>> DataInfo("npz", 9, (1, 28, 28), "uint8", "reconstruction", target=(1, 28, 28)).nbytes
    7056
    """

    format: str
    count: int
    shape: tuple[int, ...]
    dtype: str
    task: Task
    classes: tuple[str, ...] | None = None
    counts: tuple[int, ...] | None = None
    target: tuple[int, ...] | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """How many bytes all images take."""
        return self.count * prod(self.shape) * np.dtype(self.dtype).itemsize

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready data."""
        return asdict(self)
