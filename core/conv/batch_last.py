"""`core.conv.conv` and its gradients for arrays whose last axis is the batch, as nets keep them."""

from __future__ import annotations

from collections.abc import Sequence

from core.arrays import Array, array_module
from core.conv import gradients
from core.conv.blocks import Check, never
from core.conv.functions import conv as conv_batch_first

Steps = int | Sequence[int]


def conv(
    x: Array,
    w: Array,
    stride: Steps = 1,
    padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    check: Check = never,
) -> Array:
    """Return `core.conv.conv` of ``x (C, *S, N)`` with ``w (O, C / groups, *K)``: ``(O, *out, N)``.

    Examples
    --------
    >>> import numpy as np
    >>> conv(np.array([[[1.0], [2.0], [3.0]]]), np.array([[[1.0, 10.0]]]))
    array([[[21.],
            [32.]]])
    """
    found = conv_batch_first(
        _first(x), w, stride, padding, dilation, groups, method=method, check=check
    )
    return _last(found)


def conv_input_gradient(
    dy: Array,
    w: Array,
    spatial: Sequence[int],
    stride: Steps = 1,
    padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    check: Check = never,
) -> Array:
    """Return the gradient ``(C, *spatial, N)`` of `conv` with respect to its input.

    Examples
    --------
    >>> import numpy as np
    >>> conv_input_gradient(np.ones((1, 3, 1)), np.array([[[1.0, 10.0]]]), (4,))[..., 0]
    array([[ 1., 11., 11., 10.]])
    """
    shape = (dy.shape[-1], w.shape[1] * groups, *spatial)
    found = gradients.conv_input_gradient(
        _first(dy), w, shape, stride, padding, dilation, groups, method, check=check
    )
    return _last(found)


def conv_weight_gradient(
    x: Array,
    dy: Array,
    kernel: Sequence[int],
    stride: Steps = 1,
    padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    check: Check = never,
) -> Array:
    """Return the gradient ``(O, C / groups, *kernel)`` of `conv` with respect to its kernels.

    Examples
    --------
    >>> import numpy as np
    >>> x, dy = np.array([[[1.0], [2.0], [3.0]]]), np.ones((1, 2, 1))
    >>> conv_weight_gradient(x, dy, (2,))
    array([[[3., 5.]]])
    """
    shape = (dy.shape[0], x.shape[0] // groups, *kernel)
    return gradients.conv_weight_gradient(
        _first(x), _first(dy), shape, stride, padding, dilation, groups, method, check=check
    )


def _first(x: Array) -> Array:
    xp = array_module(x)
    return xp.ascontiguousarray(xp.moveaxis(x, -1, 0))


def _last(x: Array) -> Array:
    xp = array_module(x)
    return xp.ascontiguousarray(xp.moveaxis(x, 0, -1))
