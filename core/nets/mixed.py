"""Mixed precision: layers that can do with it read and return float16, sums are float32.

Weights stay float32 and are rounded to float16 where a layer reads them; what needs the range, such
as means and exponentials, is computed on float32. Gradients of float16 that are too small become
0, so the loss is scaled before (P. Micikevicius et al., "Mixed precision training", 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from core.arrays import Array
from core.nets.layer import Backward, Context, Layer, Weights


@lru_cache(maxsize=64)
def in_mixed_precision(layer: Layer[Any]) -> Layer[Any]:
    """Return a layer that takes float16 and float32, and computes on what suits it.

    Its gradients are of the dtypes of what they are gradients of: float32 for weights.

    Examples
    --------
    >>> from core.nets.layers.dense import LAYER, DenseSpec
    >>> weights = {"weight": np.ones((2, 3), "float32"), "bias": np.ones(2, "float32")}
    >>> layer, spec = in_mixed_precision(LAYER), DenseSpec(layer="dense", features=2)
    >>> y, backward = layer.forward(spec, [np.ones((3, 1), "float32")], weights, Context())
    >>> (dx,), gradients = backward(y)
    >>> y.dtype, dx.dtype, gradients["weight"].dtype
    (dtype('float16'), dtype('float32'), dtype('float32'))
    """
    dtype = np.dtype(np.float16 if layer.half else np.float32)

    def forward(
        spec: Any, inputs: Sequence[Array], weights: Weights, context: Context
    ) -> tuple[Array, Backward]:
        own = {name: _as(weight, dtype) for name, weight in weights.items()}
        y, through = layer.forward(spec, [_as(x, dtype) for x in inputs], own, context)

        def backward(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
            incoming, gradients = through(_as(dy, y.dtype))
            return tuple(
                None if dx is None else _as(dx, x.dtype)
                for dx, x in zip(incoming, inputs, strict=True)
            ), {name: _as(gradient, weights[name].dtype) for name, gradient in gradients.items()}

        return y, backward

    return replace(layer, forward=forward)


def _as(x: Array, dtype: np.dtype[Any]) -> Array:
    # Numbers of words stay what they are.
    return x.astype(dtype, copy=False) if x.dtype.kind == "f" else x
