"""Diffusion that stops at edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from core.arrays import Array, array_module
from core.conv.blocks import Check, never
from core.diffusion.heat import propagate
from core.errors import InvalidInput

Conductivity: TypeAlias = Literal["exponential", "rational"]
CONDUCTIVITIES: tuple[Conductivity, ...] = ("exponential", "rational")


def steps_for(time: float, ndim: int) -> int:
    """Return how many explicit steps a time needs to be stable: of at most ``1 / (2 ndim)``.

    Examples
    --------
    >>> steps_for(10, 2)
    40
    """
    return max(1, math.ceil(2 * ndim * time))


def perona_malik(
    u: Array,
    time: float,
    edge: float,
    axes: Sequence[int],
    conductivity: Conductivity = "exponential",
    smooth: float = 0.0,
    *,
    check: Check = never,
) -> Array:
    """Return what diffusion has made of ``u`` where the conductivity falls with the gradient.

    ``du/dt = div(c(|grad u|) grad u)`` in explicit steps between insulated
    walls [1]_. What flows out of a pixel flows into its neighbour, so the sum stays the same; steps
    are short enough that no value leaves the range of its neighbours.

    Parameters
    ----------
    u : array
        Floating point.
    time : float
        In pixels squared; where ``u`` is flat the conductivity is 1.
    edge : float
        The difference of neighbours, in units of ``u``, from which on they are an edge.
    axes : sequence of int
        Of space. Over the others, colours, gradients are added up: an edge in one stops all.
    conductivity : {"exponential", "rational"}
        With ``s`` the difference divided by ``edge``: ``exp(-s ** 2)`` keeps sharp edges,
        ``1 / (1 + s ** 2)`` wide regions.
    smooth : float
        Differences are taken after a Gaussian of this many pixels, so that noise is no edge [2]_.
    check : callable
        Called in each step; raises to stop.

    Returns
    -------
    array
        Of the shape and dtype of ``u``.

    Raises
    ------
    InvalidInput
        There is no such conductivity, or ``edge`` is not positive.

    References
    ----------
    .. [1] P. Perona and J. Malik, "Scale-space and edge detection using anisotropic diffusion",
       IEEE Transactions on Pattern Analysis and Machine Intelligence 12, 1990.
    .. [2] F. Catté et al., "Image selective smoothing and edge detection by nonlinear diffusion",
       SIAM Journal on Numerical Analysis 29, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> u = np.array([0.0, 1, 0, 1, 100, 101, 100, 101])
    >>> perona_malik(u, 20, edge=5, axes=[0]).round(1).tolist()
    [0.5, 0.5, 0.5, 0.5, 100.5, 100.5, 100.5, 100.5]
    """
    if conductivity not in CONDUCTIVITIES:
        raise InvalidInput(
            "no such conductivity",
            field="conductivity",
            given=conductivity,
            accepted=CONDUCTIVITIES,
        )
    if not edge > 0:
        raise InvalidInput("is not positive", field="edge", given=edge, accepted="above 0")
    xp = array_module(u)
    u = u.copy()
    steps = steps_for(time, len(axes))
    others = tuple(axis for axis in range(u.ndim) if axis not in axes)
    for _ in range(steps):
        check()
        seen = propagate(u, smooth**2 / 2, axes, check=check) if smooth else u
        flows = []
        for axis in axes:
            difference = xp.diff(u, axis=axis)
            slope = difference if not smooth else xp.diff(seen, axis=axis)
            squared = xp.square(slope * (1 / edge))
            if others:
                squared = squared.sum(axis=others, keepdims=True)
            through = xp.exp(-squared) if conductivity == "exponential" else 1 / (1 + squared)
            difference *= through * (time / steps)
            flows.append((axis, difference))
        for axis, flow in flows:
            ends = [slice(None)] * u.ndim
            ends[axis] = slice(None, -1)
            u[tuple(ends)] += flow
            ends[axis] = slice(1, None)
            u[tuple(ends)] -= flow
    return u
