"""The diffusion equation: by its propagator, and by explicit steps that stop at edges."""

from core.diffusion.heat import heat_kernel, heat_kernels, propagate
from core.diffusion.perona_malik import CONDUCTIVITIES, Conductivity, perona_malik, steps_for

__all__ = [
    "CONDUCTIVITIES",
    "Conductivity",
    "heat_kernel",
    "heat_kernels",
    "perona_malik",
    "propagate",
    "steps_for",
]
