"""The Fourier transform of a picture: to look at, to measure, to find directions by, to filter."""

from core.spectrum.deskew import rotate
from core.spectrum.orientation import Orientation, orientation
from core.spectrum.pictures import magnitude_picture, phase_picture
from core.spectrum.profiles import direction_power, ring_power
from core.spectrum.transform import WINDOWS, Window, frequencies, transform

__all__ = [
    "WINDOWS",
    "Orientation",
    "Window",
    "direction_power",
    "frequencies",
    "magnitude_picture",
    "orientation",
    "phase_picture",
    "ring_power",
    "rotate",
    "transform",
]
