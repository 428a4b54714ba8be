"""All presets. To add one: write it in the file of its family and name it here twice."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field

from core.kernels.gradients import (
    PREWITT,
    SCHARR,
    SOBEL_MAGNITUDE,
    SOBEL_X,
    SOBEL_Y,
    PrewittParameters,
    ScharrParameters,
    SobelMagnitudeParameters,
    SobelXParameters,
    SobelYParameters,
)
from core.kernels.kernel import Kernel
from core.kernels.preset import Preset
from core.kernels.second_order import (
    EDGE,
    LAPLACIAN,
    LAPLACIAN_OF_GAUSSIAN,
    EdgeParameters,
    LaplacianOfGaussianParameters,
    LaplacianParameters,
)
from core.kernels.sharpening import (
    EMBOSS,
    SHARPEN,
    UNSHARP,
    EmbossParameters,
    SharpenParameters,
    UnsharpParameters,
)
from core.kernels.smoothing import (
    BOX,
    DISK,
    GAUSSIAN,
    IDENTITY,
    MOTION_BLUR,
    BoxParameters,
    DiskParameters,
    GaussianParameters,
    IdentityParameters,
    MotionBlurParameters,
)
from core.kernels.texture import GABOR, GaborParameters

PRESETS: tuple[Preset[Any], ...] = (
    IDENTITY,
    BOX,
    GAUSSIAN,
    DISK,
    MOTION_BLUR,
    SHARPEN,
    UNSHARP,
    EMBOSS,
    EDGE,
    LAPLACIAN,
    LAPLACIAN_OF_GAUSSIAN,
    SOBEL_X,
    SOBEL_Y,
    SOBEL_MAGNITUDE,
    PREWITT,
    SCHARR,
    GABOR,
)

# Written out because a type checker reads a union, not a loop; a test holds it to PRESETS.
PresetKernel: TypeAlias = Annotated[
    IdentityParameters
    | BoxParameters
    | GaussianParameters
    | DiskParameters
    | MotionBlurParameters
    | SharpenParameters
    | UnsharpParameters
    | EmbossParameters
    | EdgeParameters
    | LaplacianParameters
    | LaplacianOfGaussianParameters
    | SobelXParameters
    | SobelYParameters
    | SobelMagnitudeParameters
    | PrewittParameters
    | ScharrParameters
    | GaborParameters,
    Field(discriminator="preset"),
]

_BY_NAME = {preset.name: preset for preset in PRESETS}


def build(parameters: PresetKernel, ndim: int) -> Kernel:
    """Build the kernel that a job's ``{"preset": ..., ...}`` describes.

    Parameters
    ----------
    parameters : PresetKernel
        Validated parameters of one preset.
    ndim : int
        Number of spatial axes of the inputs: 1, 2 or 3.

    Returns
    -------
    Kernel
        With a float64 stack of shape (M, *K); M is 1 unless ``combine`` says otherwise.

    Raises
    ------
    InvalidInput
        If the preset is not defined for ``ndim`` axes (names ``kernel.preset``), or the kernel
        would be too large (names the parameter).

    Examples
    --------
    >>> from pydantic import TypeAdapter
    >>> box = TypeAdapter(PresetKernel).validate_python({"preset": "box", "size": 2})
    >>> build(box, 1).stack.tolist()
    [[0.5, 0.5]]
    """
    return _BY_NAME[parameters.preset].build(parameters, ndim)
