"""Turning a picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy  # its parts, which take long to load, when they are first used
from numpy.typing import NDArray


def rotate(x: NDArray[Any], degrees: float) -> NDArray[Any]:
    """Turn a picture counter-clockwise about its centre.

    Parameters
    ----------
    x : ndarray, shape (H, W) or (H, W, C)
        Floating point.
    degrees : float
        The angle.

    Returns
    -------
    ndarray
        Of the same height, width and dtype, by cubic splines. What comes in from outside has the
        median colour of the picture's edge; values stay between the picture's least and greatest.

    Examples
    --------
    >>> rotate(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]), 90).round(3).tolist()
    [[3.0, 6.0, 9.0], [2.0, 5.0, 8.0], [1.0, 4.0, 7.0]]
    """
    y = np.empty_like(x)
    colours = x[..., None] if x.ndim == 2 else x
    for channel in range(colours.shape[-1]):
        plane = colours[..., channel]
        edge = np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]])
        turned = scipy.ndimage.rotate(
            plane, degrees, reshape=False, order=3, mode="constant", cval=float(np.median(edge))
        )
        target = y if x.ndim == 2 else y[..., channel]
        np.clip(turned, plane.min(), plane.max(), out=target)
    return y
