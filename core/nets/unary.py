"""Layers with one input and nothing to learn: a shape, and a function beside its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.arrays import Array
from core.nets.layer import Backward, Context, Layer, Shape, SpecT, Weights


def unchanged(spec: object, incoming: Shape) -> Shape:
    """Return the shape that came in.

    Examples
    --------
    >>> unchanged(None, (3, 8, 8))
    (3, 8, 8)
    """
    return incoming


def unary(
    name: str,
    spec: type[SpecT],
    compute: Callable[[SpecT, Array, Context], tuple[Array, Callable[[Array], Array]]],
    shape: Callable[[SpecT, Shape], Shape] = unchanged,
    *,
    half: bool = False,
) -> Layer[SpecT]:
    """Return the layer that computes a function of one array.

    Parameters
    ----------
    name : str
        The value of ``layer`` in its description.
    spec : type
        The pydantic model of the description.
    compute : callable
        ``(spec, x, context) -> (y, gradient)`` where ``gradient(dy)`` is that of the input; all as
        `core.nets.layer.Layer.forward` has it.
    shape : callable
        ``(spec, incoming) -> shape of the output``; by default the same.
    half : bool
        As in `core.nets.layer.Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from core.nets.layer import LayerSpec
    >>> double = unary("double", LayerSpec, lambda spec, x, context: (2 * x, lambda dy: 2 * dy))
    >>> y, backward = double.forward(LayerSpec(layer="double"), [np.ones((2, 1))], {}, Context())
    >>> y[:, 0], backward(y)[0][0][:, 0]
    (array([2., 2.]), array([4., 4.]))
    """

    def shape_of(description: SpecT, shapes: Sequence[Shape]) -> Shape:
        (incoming,) = shapes
        return shape(description, incoming)

    def forward(
        description: SpecT, inputs: Sequence[Array], weights: Weights, context: Context
    ) -> tuple[Array, Backward]:
        (x,) = inputs
        y, gradient = compute(description, x, context)

        def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
            return (gradient(dy) if context.wanted else None,), {}

        return y, backward

    return Layer(name=name, spec=spec, shape=shape_of, forward=forward, half=half)
