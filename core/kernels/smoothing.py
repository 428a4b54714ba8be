"""Kernels that pass or average: identity, box, gaussian, disk, motion-blur."""

from __future__ import annotations

from functools import reduce
from math import ceil, cos, floor, radians, sin
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from core.kernels.kernel import MAX_SIDE, FloatArray, Kernel, check_size
from core.kernels.preset import Preset, PresetParameters


class IdentityParameters(PresetParameters):
    """Parameters of ``identity``."""

    preset: Literal["identity"]
    size: int = Field(
        default=3,
        ge=1,
        le=MAX_SIDE - 1,
        json_schema_extra={"not": {"multipleOf": 2}},
        description="Taps a side; odd.",
    )

    @field_validator("size")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            raise ValueError("an even number of taps has no centre; give an odd one")
        return size


class BoxParameters(PresetParameters):
    """Parameters of ``box``."""

    preset: Literal["box"]
    size: int = Field(default=3, ge=1, le=MAX_SIDE, description="Taps a side.")


class GaussianParameters(PresetParameters):
    """Parameters of ``gaussian``."""

    preset: Literal["gaussian"]
    sigma: float = Field(default=1.0, ge=0.01, le=500, description="Standard deviation in taps.")
    truncate: float = Field(
        default=4.0, gt=0, le=10, description="The kernel ends after this many sigmas."
    )


class DiskParameters(PresetParameters):
    """Parameters of ``disk``."""

    preset: Literal["disk"]
    radius: float = Field(default=2.0, ge=0.5, le=2000, description="Radius in taps.")


class MotionBlurParameters(PresetParameters):
    """Parameters of ``motion-blur``."""

    preset: Literal["motion-blur"]
    length: float = Field(default=9.0, ge=1, le=4000, description="Length of the path in taps.")
    angle: float = Field(
        default=0.0,
        ge=-360,
        le=360,
        description="Direction in degrees, counter-clockwise from the x axis.",
    )


def gaussian_weights(sigma: float, truncate: float) -> FloatArray:
    """Sample a 1-D Gaussian and scale it to sum 1.

    Parameters
    ----------
    sigma : float
        Standard deviation in taps.
    truncate : float
        The radius is ``int(truncate * sigma + 0.5)``, as in ``scipy.ndimage``.

    Returns
    -------
    ndarray of float64, shape (2 * radius + 1,)

    Examples
    --------
    >>> gaussian_weights(1.0, 1.0).round(3).tolist()
    [0.274, 0.452, 0.274]
    """
    radius = int(truncate * sigma + 0.5)
    x = np.arange(-radius, radius + 1, dtype=np.float64)
    weights = np.exp(-0.5 * (x / sigma) ** 2)
    scaled: FloatArray = weights / weights.sum()
    return scaled


def outer(factors: list[FloatArray]) -> FloatArray:
    """Multiply 1-D factors to a separable N-D kernel, first factor along the first axis.

    Parameters
    ----------
    factors : list of ndarray of float64, shapes (K_0,), (K_1,), ...

    Returns
    -------
    ndarray of float64, shape (K_0, K_1, ...)

    Examples
    --------
    >>> outer([np.array([1.0, 2.0]), np.array([1.0, 0.0, -1.0])]).tolist()
    [[1.0, 0.0, -1.0], [2.0, 0.0, -2.0]]
    """
    product: FloatArray = reduce(np.multiply.outer, factors)
    return product


def impulse(shape: tuple[int, ...]) -> FloatArray:
    """Return the kernel that changes nothing: 1 at the centre, 0 elsewhere.

    Parameters
    ----------
    shape : tuple of int
        The sides; odd.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> impulse((3,)).tolist()
    [0.0, 1.0, 0.0]
    """
    taps = np.zeros(shape)
    taps[tuple(side // 2 for side in shape)] = 1.0
    return taps


def gaussian_kernel(sigma: float, truncate: float, ndim: int) -> FloatArray:
    """Return the separable N-D Gaussian, after checking its size.

    Parameters
    ----------
    sigma, truncate : float
        See :func:`gaussian_weights`.
    ndim : int
        Number of axes.

    Returns
    -------
    ndarray of float64, sum 1

    Raises
    ------
    InvalidInput
        If it would be too large; names ``kernel.sigma``.

    Examples
    --------
    >>> gaussian_kernel(0.5, 4.0, 2).shape
    (5, 5)
    """
    check_size((2 * int(truncate * sigma + 0.5) + 1,) * ndim, field="kernel.sigma")
    return outer([gaussian_weights(sigma, truncate)] * ndim)


def _identity(parameters: IdentityParameters, ndim: int) -> Kernel:
    shape = (parameters.size,) * ndim
    check_size(shape, field="kernel.size")
    return Kernel(impulse(shape)[np.newaxis])


def _box(parameters: BoxParameters, ndim: int) -> Kernel:
    shape = (parameters.size,) * ndim
    check_size(shape, field="kernel.size")
    return Kernel(np.full((1, *shape), 1.0 / parameters.size**ndim))


def _gaussian(parameters: GaussianParameters, ndim: int) -> Kernel:
    return Kernel(gaussian_kernel(parameters.sigma, parameters.truncate, ndim)[np.newaxis])


def _disk(parameters: DiskParameters, ndim: int) -> Kernel:
    reach = floor(parameters.radius)
    check_size((2 * reach + 1,) * ndim, field="kernel.radius")
    axis = np.arange(-reach, reach + 1, dtype=np.float64) ** 2
    inside = reduce(np.add.outer, [axis] * ndim) <= parameters.radius**2
    return Kernel((inside / np.count_nonzero(inside))[np.newaxis])


def _motion_blur(parameters: MotionBlurParameters, _ndim: int) -> Kernel:
    # A tap weighs 1 - d, d being its distance to the path, so that a path between the rows of
    # the grid is spread over them and a level path of odd length gives equal taps. The path runs
    # between the centres of its end taps, hence length - 1. y points down in pictures.
    half = (parameters.length - 1) / 2
    along_x, along_y = cos(radians(parameters.angle)), -sin(radians(parameters.angle))
    reach_x, reach_y = (_reach(half * abs(part)) for part in (along_x, along_y))
    check_size((2 * reach_y + 1, 2 * reach_x + 1), field="kernel.length")
    y, x = np.ogrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1]
    nearest = np.clip(x * along_x + y * along_y, -half, half)
    distance = np.hypot(x - nearest * along_x, y - nearest * along_y)
    weights = np.maximum(0.0, 1.0 - distance)
    return Kernel((weights / weights.sum())[np.newaxis])


def _reach(extent: float) -> int:
    # The furthest tap nearer than 1 to the path's end. Rounding keeps cos(90 degrees) = 6e-17
    # from adding a row of zeros.
    return ceil(round(extent, 9) + 1) - 1


IDENTITY = Preset(
    name="identity",
    summary="Changes nothing: 1 at the centre, 0 elsewhere.",
    parameters=IdentityParameters,
    dimensions=(1, 2, 3),
    make=_identity,
)
BOX = Preset(
    name="box",
    summary="Averages over a square (in 1-D a line, in 3-D a cube).",
    parameters=BoxParameters,
    dimensions=(1, 2, 3),
    make=_box,
)
GAUSSIAN = Preset(
    name="gaussian",
    summary="Blurs with a Gaussian of standard deviation sigma; separable.",
    parameters=GaussianParameters,
    dimensions=(1, 2, 3),
    make=_gaussian,
)
DISK = Preset(
    name="disk",
    summary="Averages over a disk (in 3-D a ball), as a lens out of focus does.",
    parameters=DiskParameters,
    dimensions=(2, 3),
    make=_disk,
)
MOTION_BLUR = Preset(
    name="motion-blur",
    summary="Averages along a straight path, as a moving camera does.",
    parameters=MotionBlurParameters,
    dimensions=(2,),
    make=_motion_blur,
)
