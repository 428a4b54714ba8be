"""Filters that are stated by what they let through: masks over frequencies."""

from core.frequency.apply import BOUNDARIES, Boundary, Kept, keep_largest, multiply, passed
from core.frequency.grid import grid
from core.frequency.masks import BANDS, SHAPES, Band, Filter, Shape, transfer
from core.frequency.picture import mask_picture

__all__ = [
    "BANDS",
    "BOUNDARIES",
    "SHAPES",
    "Band",
    "Boundary",
    "Filter",
    "Kept",
    "Shape",
    "grid",
    "keep_largest",
    "mask_picture",
    "multiply",
    "passed",
    "transfer",
]
