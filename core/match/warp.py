"""A template in other sizes and directions."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import scipy  # its parts, which take long to load, when they are first used
from numpy.typing import NDArray

from core.errors import InvalidInput
from core.match.scores import Template

_LEAST = 3


def warp(template: Template, scale: float, degrees: float) -> Template:
    """Return a template of two axes, scaled and turned counter-clockwise.

    Parameters
    ----------
    template : Template
        Of two axes.
    scale : float
        Above 1 it becomes larger.
    degrees : float
        The angle.

    Returns
    -------
    Template
        In the smallest upright box; corners of the box that are not the template have weight 0.
        What becomes smaller is blurred before.

    Raises
    ------
    InvalidInput
        Too little would be left of it.

    Examples
    --------
    >>> turned = warp(Template(np.ones((20, 40, 1))), 0.5, 90)
    >>> turned.shape
    (20, 10)
    """
    if scale == 1 and degrees == 0:
        return template
    height, width = template.shape
    cos, sin = _turn(degrees)
    size = warped_shape((height, width), scale, degrees)
    if min(size) < _LEAST:
        raise InvalidInput(
            "too little is left of the template",
            field="scales",
            given=scale,
            accepted=f"so much that {_LEAST} pixels a side remain",
        )
    # From a place in the box to one in the template; rows go down.
    back = np.array([[cos, sin], [-sin, cos]]) / scale
    offset = (np.array([height, width]) - 1) / 2 - back @ (np.array(size) - 1) / 2
    blur = max(0.0, (1 / scale - 1) / 2)

    def warped(plane: NDArray[Any], order: Literal[1, 3]) -> NDArray[Any]:
        smooth = scipy.ndimage.gaussian_filter(plane, blur, mode="nearest") if blur else plane
        made: NDArray[Any] = scipy.ndimage.affine_transform(
            smooth, back, offset, output_shape=size, order=order, mode="nearest"
        )
        return made

    channels = range(template.values.shape[-1])
    values = np.stack([warped(template.values[..., c], 3) for c in channels], axis=-1)
    rows, columns = np.mgrid[: size[0], : size[1]]
    places = np.tensordot(back, np.stack([rows, columns]), axes=1) + offset[:, None, None]
    limits = np.array([height, width])[:, None, None]
    inside = ((places > -0.5) & (places < limits - 0.5)).all(axis=0)
    given = np.ones((height, width)) if template.weights is None else template.weights
    weights = np.clip(warped(given, 1), 0, 1) * inside
    whole = template.weights is None and inside.all()
    return Template(values, None if whole else weights)


def warped_shape(shape: tuple[int, ...], scale: float, degrees: float) -> tuple[int, ...]:
    """Return the shape that `warp` makes of a template of this one.

    Examples
    --------
    >>> warped_shape((20, 40), 0.5, 90)
    (20, 10)
    """
    height, width = shape
    cos, sin = map(abs, _turn(degrees))
    return round(scale * (cos * height + sin * width)), round(scale * (sin * height + cos * width))


def _turn(degrees: float) -> tuple[float, float]:
    angle = math.radians(degrees)
    return math.cos(angle), math.sin(angle)
