"""From what was blurred back to what it was."""

from core.deconvolution.blind import gaussian_width
from core.deconvolution.inverse import BOUNDARIES, Boundary, inverse, wiener
from core.deconvolution.richardson_lucy import extended_shape, richardson_lucy

__all__ = [
    "BOUNDARIES",
    "Boundary",
    "extended_shape",
    "gaussian_width",
    "inverse",
    "richardson_lucy",
    "wiener",
]
