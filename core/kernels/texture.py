"""The kernel for oriented texture: gabor."""

from __future__ import annotations

from math import cos, log, pi, radians, sin, sqrt
from typing import Literal

import numpy as np
from pydantic import Field

from core.kernels.kernel import Kernel, check_size
from core.kernels.preset import Preset, PresetParameters

# For a half-response bandwidth of b octaves it is sqrt(ln 2 / 2) / pi * (2^b + 1) / (2^b - 1)
# (Petkov and Kruizinga, 1997); here b = 1.
_SIGMA_PER_WAVELENGTH = 3.0 * sqrt(log(2.0) / 2.0) / pi


class GaborParameters(PresetParameters):
    """Parameters of ``gabor``."""

    preset: Literal["gabor"]
    wavelength: float = Field(default=4.0, ge=2, le=1000, description="Period of the wave in taps.")
    angle: float = Field(
        default=0.0,
        ge=-360,
        le=360,
        description="Direction in which the wave runs, degrees counter-clockwise from the x axis; "
        "0 answers to vertical stripes.",
    )
    sigma: float | None = Field(
        default=None,
        ge=0.1,
        le=500,
        description="Standard deviation of the envelope along the wave in taps; "
        "null: 0.5622 wavelengths, a bandwidth of one octave.",
    )
    aspect: float = Field(
        default=1.0,
        ge=0.1,
        le=10,
        description="Standard deviation along the wave divided by that across it.",
    )
    phase: float = Field(
        default=0.0,
        ge=-360,
        le=360,
        description="Phase in degrees: 0 symmetric (lines), 90 antisymmetric (edges).",
    )


def _gabor(parameters: GaborParameters, _ndim: int) -> Kernel:
    sigma = parameters.sigma or _SIGMA_PER_WAVELENGTH * parameters.wavelength
    across_sigma = sigma / parameters.aspect
    radius = int(3.0 * max(sigma, across_sigma) + 0.5)
    check_size((2 * radius + 1,) * 2, field="kernel.sigma")
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    # y points down in pictures, angles turn counter-clockwise.
    turn = radians(parameters.angle)
    along = x * cos(turn) - y * sin(turn)
    across = x * sin(turn) + y * cos(turn)
    envelope = np.exp(-0.5 * ((along / sigma) ** 2 + (across / across_sigma) ** 2))
    wave = np.cos(2.0 * pi * along / parameters.wavelength + radians(parameters.phase))
    return Kernel((envelope * wave)[np.newaxis])


GABOR = Preset(
    name="gabor",
    summary="A wave under a Gaussian: answers to texture of one direction and period.",
    parameters=GaborParameters,
    dimensions=(2,),
    make=_gabor,
)
