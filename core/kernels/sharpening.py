"""Kernels that strengthen detail: sharpen, unsharp, emboss."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.kernels.kernel import Kernel
from core.kernels.preset import Preset, PresetParameters
from core.kernels.second_order import laplacian_kernel
from core.kernels.smoothing import gaussian_kernel, impulse


class SharpenParameters(PresetParameters):
    """Parameters of ``sharpen``."""

    preset: Literal["sharpen"]
    strength: float = Field(
        default=1.0, gt=0, le=100, description="How much of the Laplacian is subtracted."
    )


class UnsharpParameters(PresetParameters):
    """Parameters of ``unsharp``."""

    preset: Literal["unsharp"]
    sigma: float = Field(
        default=1.0, ge=0.01, le=500, description="Standard deviation of the blur in taps."
    )
    amount: float = Field(
        default=1.0, gt=0, le=100, description="How much of the removed detail is added."
    )


class EmbossParameters(PresetParameters):
    """Parameters of ``emboss``."""

    preset: Literal["emboss"]
    strength: float = Field(
        default=1.0, gt=0, le=100, description="How much relief is added to the picture."
    )


def _sharpen(parameters: SharpenParameters, ndim: int) -> Kernel:
    taps = impulse((3,) * ndim) - parameters.strength * laplacian_kernel(ndim)
    return Kernel(taps[np.newaxis])


def _unsharp(parameters: UnsharpParameters, ndim: int) -> Kernel:
    # x + amount * (x - blur(x)) as one kernel.
    blur = gaussian_kernel(parameters.sigma, 4.0, ndim)
    taps = (1.0 + parameters.amount) * impulse(blur.shape) - parameters.amount * blur
    return Kernel(taps[np.newaxis])


def _emboss(parameters: EmbossParameters, _ndim: int) -> Kernel:
    # Light from the upper left: convolution subtracts what lies up and left of a pixel's own
    # reflection, so a bright thing is lit on its upper left edge.
    relief = np.array([[2.0, 1.0, 0.0], [1.0, 0.0, -1.0], [0.0, -1.0, -2.0]])
    return Kernel((impulse((3, 3)) + parameters.strength * relief)[np.newaxis])


SHARPEN = Preset(
    name="sharpen",
    summary="Subtracts the Laplacian, which steepens edges.",
    parameters=SharpenParameters,
    dimensions=(1, 2, 3),
    make=_sharpen,
)
UNSHARP = Preset(
    name="unsharp",
    summary="Unsharp masking: adds back what a Gaussian blur removes.",
    parameters=UnsharpParameters,
    dimensions=(1, 2, 3),
    make=_unsharp,
)
EMBOSS = Preset(
    name="emboss",
    summary="Shows brightness as a relief, lit from the upper left.",
    parameters=EmbossParameters,
    dimensions=(2,),
    make=_emboss,
)
