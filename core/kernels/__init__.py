"""Kernels by name: presets with parameters, and normalization."""

from core.kernels.kernel import MAX_SIDE, MAX_TAPS, Combine, Kernel
from core.kernels.normalization import NORMALIZATIONS, Normalization, normalize
from core.kernels.preset import Preset, PresetParameters
from core.kernels.registry import PRESETS, PresetKernel, build

__all__ = [
    "MAX_SIDE",
    "MAX_TAPS",
    "NORMALIZATIONS",
    "PRESETS",
    "Combine",
    "Kernel",
    "Normalization",
    "Preset",
    "PresetKernel",
    "PresetParameters",
    "build",
    "normalize",
]
