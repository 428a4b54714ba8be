"""A data set: images, and what a net should say of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import InvalidInput
from core.nets.data.info import DataInfo


class Images(Protocol):
    """The images of a data set, wherever they lie."""

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return these images, ``(len(indices), *shape)``, in C order and native byte order."""
        ...


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, with targets, or as their own targets.

    Made by `core.nets.data.load`. Nothing in it changes, so threads may share it.

    Attributes
    ----------
    info : DataInfo
        What there is.
    images : Images
        Where they come from.
    y : ndarray, optional
        All labels, int64 ``(N,)``, or all targets, float32 ``(N, *T)``; None if every image is
        its own.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from core.nets.data import load
    >>> file = io.BytesIO()
    >>> np.savez(file, x=np.zeros((6, 8, 8), np.uint8), y=np.arange(6) % 2)
    >>> data = load(file.getvalue())
    >>> len(data), data.shape, data.classes
    (6, (1, 8, 8), ('0', '1'))
    >>> x, y = data.batch([0, 3, 5])
    >>> x.shape, y.tolist()
    ((3, 1, 8, 8), [0, 1, 1])
    """

    info: DataInfo
    images: Images
    y: NDArray[Any] | None = None

    def __len__(self) -> int:
        return self.info.count

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image, channels first."""
        return self.info.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the images."""
        return np.dtype(self.info.dtype)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes, if there are labels."""
        return self.info.classes

    def batch(self, indices: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return some of the images, and what a net should say of them.

        Parameters
        ----------
        indices : array_like of int
            Which, each from 0 to ``len(data) - 1``; repetitions are allowed.

        Returns
        -------
        x : ndarray
            ``(n, *shape)``, with the values and the dtype of the file.
        y : ndarray
            Labels, int64 ``(n,)``; or targets, float32 ``(n, *T)``. An image that is its own
            target has float32 values: integers are divided by the largest of their dtype, so
            that they lie between 0 and 1 (-1 and 1).

        Raises
        ------
        InvalidInput
            If an index is out of range.
        UnsupportedMedia
            If an image that is read only now is damaged; names it.
        """
        wanted = np.asarray(indices, np.intp)
        if wanted.ndim != 1 or (wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self)):
            raise InvalidInput(
                "no such image",
                field="indices",
                given=wanted.tolist(),
                accepted=f"one axis of numbers from 0 to {len(self) - 1}",
            )
        x = self.images.take(wanted)
        return x, _as_target(x) if self.y is None else self.y[wanted]


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images in an array: in memory, or mapped from a file.

    Attributes
    ----------
    array : ndarray
        ``(N, *shape)``, in any order and byte order.
    """

    array: NDArray[Any]

    def take(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        """Return a copy of these images; see :class:`Images`."""
        taken = self.array[indices]
        return np.ascontiguousarray(taken, taken.dtype.newbyteorder("="))


def _as_target(x: NDArray[Any]) -> NDArray[np.float32]:
    if x.dtype.kind in "iu":
        return (x / np.float32(np.iinfo(x.dtype).max)).astype(np.float32)
    return x.astype(np.float32)
