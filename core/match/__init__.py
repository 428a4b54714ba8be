"""Finding one thing in another by correlation."""

from core.match.peaks import Match, best_matches, local_maxima
from core.match.phase import Registration, register
from core.match.scores import Template, normalised, raw
from core.match.warp import warp

__all__ = [
    "Match",
    "Registration",
    "Template",
    "best_matches",
    "local_maxima",
    "normalised",
    "raw",
    "register",
    "warp",
]
