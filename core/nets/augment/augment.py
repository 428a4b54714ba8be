"""What an augmentation is: a Spec, and batches that are changed by chance.

An augmentation is one file that ends with ``AUGMENT = Augment(...)``, and two lines in
`core.nets.augment`. It sees a batch as the data set has it: images first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from core.arrays import Array
from core.errors import InvalidInput


class AugmentSpec(BaseModel):
    """Base of the description of every augmentation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    augment: str


SpecT = TypeVar("SpecT", bound=AugmentSpec)
SpecT_contra = TypeVar("SpecT_contra", bound=AugmentSpec, contravariant=True)


class Apply(Protocol[SpecT_contra]):
    """How an augmentation changes a batch."""

    def __call__(
        self,
        spec: SpecT_contra,
        x: Array,
        y: Array,
        random: np.random.Generator,
        classes: int | None = None,
    ) -> tuple[Array, Array]:
        """Return the changed batch.

        Parameters
        ----------
        spec
            The description.
        x : array of shape ``(N, C, *S)``
            Images, of any dtype, in host memory or on a device; not written to.
        y : array of shape ``(N, ...)``
            Their labels or targets; not written to.
        random : numpy.random.Generator
            All chance comes from it; the same wherever the images are.
        classes : int, optional
            How many there are, if ``y`` is labels.

        Returns
        -------
        x, y
            New arrays, or those that came in where nothing changed.

        Raises
        ------
        InvalidInput
            The augmentation makes no sense for such images.
        """


@dataclass(frozen=True)
class Augment(Generic[SpecT]):
    """A kind of augmentation.

    Attributes
    ----------
    name : str
        The value of ``augment`` in its description.
    spec : type
        The pydantic model of the description.
    apply : callable
        ``(spec, x, y, random, classes) -> (x, y)``; see `Apply`.
    """

    name: str
    spec: type[SpecT]
    apply: Apply[SpecT]


def spatial(x: Array, least: int = 1) -> tuple[int, ...]:
    """Return the sides of the images.

    Raises
    ------
    InvalidInput
        There are fewer than ``least`` axes behind images and channels.

    Examples
    --------
    >>> spatial(np.zeros((8, 1, 28, 28)))
    (28, 28)
    """
    if x.ndim - 2 < least:
        raise InvalidInput(
            "the images have too few axes to be changed so",
            field="augment",
            given=x.shape[1:],
            accepted=f"channels and at least {least} more",
        )
    return tuple(x.shape[2:])


def together(move: Callable[[Array], Array], x: Array, y: Array) -> tuple[Array, Array]:
    """Return images moved, and with them targets that are pictures of the same sides.

    So an autoencoder's target stays its input, and a mask stays where the object is.

    Parameters
    ----------
    move : callable
        Takes and returns ``(N, channels, *S)``, for any number of channels.
    x : array of shape ``(N, C, *S)``
    y : array
        Moved if it is ``(N, *S)`` or ``(N, channels, *S)``.

    Examples
    --------
    >>> x = np.array([[[1, 2, 3]]])
    >>> together(lambda images: images[..., ::-1], x, np.array([7]))
    (array([[[3, 2, 1]]]), array([7]))
    """
    sides = x.shape[2:]
    if y.shape[2:] == sides:
        return move(x), move(y)
    if y.shape[1:] == sides:
        return move(x), move(y[:, np.newaxis])[:, 0]
    return move(x), y
