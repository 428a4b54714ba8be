"""One convolution seen in several ways."""

from core.explain.character import Character, character
from core.explain.patches import Step, draw_step, steps
from core.explain.views import frequency_view, probability_view, spectra, spread_view

__all__ = [
    "Character",
    "Step",
    "character",
    "draw_step",
    "frequency_view",
    "probability_view",
    "spectra",
    "spread_view",
    "steps",
]
