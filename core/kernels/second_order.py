"""Kernels of second derivatives: edge, laplacian, laplacian-of-gaussian."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.kernels.kernel import FloatArray, Kernel, check_size
from core.kernels.preset import Preset, PresetParameters
from core.kernels.smoothing import gaussian_weights, outer


class EdgeParameters(PresetParameters):
    """Parameters of ``edge``: none."""

    preset: Literal["edge"]


class LaplacianParameters(PresetParameters):
    """Parameters of ``laplacian``: none."""

    preset: Literal["laplacian"]


class LaplacianOfGaussianParameters(PresetParameters):
    """Parameters of ``laplacian-of-gaussian``."""

    preset: Literal["laplacian-of-gaussian"]
    sigma: float = Field(
        default=1.0, ge=0.1, le=500, description="Standard deviation of the Gaussian in taps."
    )
    truncate: float = Field(
        default=4.0, gt=0, le=10, description="The kernel ends after this many sigmas."
    )


def laplacian_kernel(ndim: int) -> FloatArray:
    """Return the sum of the second differences along every axis.

    Parameters
    ----------
    ndim : int
        Number of axes.

    Returns
    -------
    ndarray of float64, shape (3,) * ndim

    Examples
    --------
    >>> laplacian_kernel(2).tolist()
    [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]
    """
    centre, difference = np.array([0.0, 1.0, 0.0]), np.array([1.0, -2.0, 1.0])
    return _sum_over_axes(difference, centre, ndim)


def _sum_over_axes(along: FloatArray, across: FloatArray, ndim: int) -> FloatArray:
    terms = [outer([along if i == axis else across for i in range(ndim)]) for axis in range(ndim)]
    total: FloatArray = np.sum(terms, axis=0)
    return total


def _edge(_parameters: EdgeParameters, ndim: int) -> Kernel:
    taps = np.full((3,) * ndim, -1.0)
    taps[(1,) * ndim] = 3.0**ndim - 1.0
    return Kernel(taps[np.newaxis])


def _laplacian(_parameters: LaplacianParameters, ndim: int) -> Kernel:
    return Kernel(laplacian_kernel(ndim)[np.newaxis])


def _laplacian_of_gaussian(parameters: LaplacianOfGaussianParameters, ndim: int) -> Kernel:
    # Along one axis the second derivative of a Gaussian g is (x^2 / sigma^4 - 1 / sigma^2) g.
    check_size(
        (2 * int(parameters.truncate * parameters.sigma + 0.5) + 1,) * ndim, field="kernel.sigma"
    )
    g = gaussian_weights(parameters.sigma, parameters.truncate)
    x = np.arange(g.size) - g.size // 2
    variance = parameters.sigma**2
    second = (x**2 / variance - 1.0) / variance * g
    return Kernel(_sum_over_axes(second, g, ndim)[np.newaxis])


EDGE = Preset(
    name="edge",
    summary="Difference of a pixel and all its neighbours, diagonals included.",
    parameters=EdgeParameters,
    dimensions=(1, 2, 3),
    make=_edge,
)
LAPLACIAN = Preset(
    name="laplacian",
    summary="Sum of the second differences along the axes.",
    parameters=LaplacianParameters,
    dimensions=(1, 2, 3),
    make=_laplacian,
)
LAPLACIAN_OF_GAUSSIAN = Preset(
    name="laplacian-of-gaussian",
    summary="Laplacian of a Gaussian blur (Marr and Hildreth, 1980): edges and blobs of one scale.",
    parameters=LaplacianOfGaussianParameters,
    dimensions=(1, 2, 3),
    make=_laplacian_of_gaussian,
)
