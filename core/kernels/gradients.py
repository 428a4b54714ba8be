"""Kernels of first derivatives: sobel-x, sobel-y, sobel-magnitude, prewitt, scharr.

Stated for convolution, so a derivative is positive where the input grows along its axis: x is the
last axis, y the one before it. The smoothing across has the weights that give each its name.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field

from core.kernels.kernel import FloatArray, Kernel
from core.kernels.preset import Preset, PresetParameters
from core.kernels.smoothing import outer

Direction: TypeAlias = Literal["x", "y", "magnitude"]

_SOBEL = np.array([1.0, 2.0, 1.0])
_PREWITT = np.array([1.0, 1.0, 1.0])
_SCHARR = np.array([3.0, 10.0, 3.0])
_DIFFERENCE = np.array([1.0, 0.0, -1.0])


class SobelXParameters(PresetParameters):
    """Parameters of ``sobel-x``: none."""

    preset: Literal["sobel-x"]


class SobelYParameters(PresetParameters):
    """Parameters of ``sobel-y``: none."""

    preset: Literal["sobel-y"]


class SobelMagnitudeParameters(PresetParameters):
    """Parameters of ``sobel-magnitude``: none."""

    preset: Literal["sobel-magnitude"]


class PrewittParameters(PresetParameters):
    """Parameters of ``prewitt``."""

    preset: Literal["prewitt"]
    direction: Direction = Field(
        default="magnitude",
        description="Derivative along the last axis (x), the one before it (y), or the length "
        "of the gradient over all axes (magnitude).",
    )


class ScharrParameters(PresetParameters):
    """Parameters of ``scharr``."""

    preset: Literal["scharr"]
    direction: Direction = Field(
        default="magnitude",
        description="Derivative along the last axis (x), the one before it (y), or the length "
        "of the gradient over all axes (magnitude).",
    )


def _derivative(smoothing: FloatArray, axis: int, ndim: int) -> FloatArray:
    return outer([_DIFFERENCE if i == axis else smoothing for i in range(ndim)])


def _gradient(smoothing: FloatArray, direction: Direction, ndim: int) -> Kernel:
    if direction == "x":
        return Kernel(_derivative(smoothing, ndim - 1, ndim)[np.newaxis])
    if direction == "y":
        return Kernel(_derivative(smoothing, ndim - 2, ndim)[np.newaxis])
    # x first: the last axis is the first of the stack.
    stack = [_derivative(smoothing, axis, ndim) for axis in reversed(range(ndim))]
    return Kernel(np.stack(stack), combine="magnitude")


def _sobel_x(_parameters: SobelXParameters, ndim: int) -> Kernel:
    return _gradient(_SOBEL, "x", ndim)


def _sobel_y(_parameters: SobelYParameters, ndim: int) -> Kernel:
    return _gradient(_SOBEL, "y", ndim)


def _sobel_magnitude(_parameters: SobelMagnitudeParameters, ndim: int) -> Kernel:
    return _gradient(_SOBEL, "magnitude", ndim)


def _prewitt(parameters: PrewittParameters, ndim: int) -> Kernel:
    return _gradient(_PREWITT, parameters.direction, ndim)


def _scharr(parameters: ScharrParameters, ndim: int) -> Kernel:
    return _gradient(_SCHARR, parameters.direction, ndim)


SOBEL_X = Preset(
    name="sobel-x",
    summary="Derivative along x (the last axis), smoothed across it.",
    parameters=SobelXParameters,
    dimensions=(1, 2, 3),
    make=_sobel_x,
)
SOBEL_Y = Preset(
    name="sobel-y",
    summary="Derivative along y (the last axis but one), smoothed across it.",
    parameters=SobelYParameters,
    dimensions=(2, 3),
    make=_sobel_y,
)
SOBEL_MAGNITUDE = Preset(
    name="sobel-magnitude",
    summary="Length of the Sobel gradient: edges of every direction.",
    parameters=SobelMagnitudeParameters,
    dimensions=(2, 3),
    make=_sobel_magnitude,
)
PREWITT = Preset(
    name="prewitt",
    summary="Gradient with equal weights across (Prewitt, 1970).",
    parameters=PrewittParameters,
    dimensions=(2, 3),
    make=_prewitt,
)
SCHARR = Preset(
    name="scharr",
    summary="Gradient with the weights 3, 10, 3 across: nearly the same in all directions "
    "(Scharr, 2000).",
    parameters=ScharrParameters,
    dimensions=(2, 3),
    make=_scharr,
)
