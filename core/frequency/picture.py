"""A picture of a mask over the frequencies of a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.frequency.grid import Boundary


def mask_picture(
    mask: NDArray[Any], shape: tuple[int, int], boundary: Boundary
) -> NDArray[np.uint8]:
    """Draw a mask with frequency zero in the middle: white goes through, black does not.

    Parameters
    ----------
    mask : ndarray
        From 0 to 1, of the shape of the coefficients.
    shape : tuple of int
        Of the values.
    boundary : {"reflect", "wrap"}
        Of the transform. The mask of a cosine transform is drawn with its reflections.

    Returns
    -------
    ndarray of uint8
        ``shape``, or with reflections ``2 n - 1`` a side.

    Examples
    --------
    >>> mask_picture(np.array([[1.0, 0.0], [0.0, 0.0]]), (2, 2), "reflect").tolist()
    [[0, 0, 0], [0, 255, 0], [0, 0, 0]]
    """
    if boundary == "reflect":
        full = np.concatenate([mask[:0:-1], mask])
        full = np.concatenate([full[:, :0:-1], full], axis=1)
    else:
        # The half that a real transform leaves out is the stored one, turned about frequency zero.
        rows = -np.arange(shape[0]) % shape[0]
        others = np.arange(mask.shape[1], shape[1])
        full = np.fft.fftshift(np.concatenate([mask, mask[rows][:, shape[1] - others]], axis=1))
    levels: NDArray[np.uint8] = np.rint(255 * full).astype(np.uint8)
    return levels
