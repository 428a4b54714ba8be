"""The layers that convq knows; a new one is one file and one line here."""

from __future__ import annotations

from typing import Any

from core.nets.layer import Layer
from core.nets.layers import (
    average_pool,
    conv,
    conv_transpose,
    dense,
    dropout,
    elu,
    flatten,
    gelu,
    global_average_pool,
    global_max_pool,
    identity,
    leaky_relu,
    max_pool,
    pad,
    relu,
    reshape,
    sigmoid,
    softmax,
    tanh,
)

LAYERS: tuple[Layer[Any], ...] = (
    conv.LAYER,
    conv_transpose.LAYER,
    dense.LAYER,
    max_pool.LAYER,
    average_pool.LAYER,
    global_max_pool.LAYER,
    global_average_pool.LAYER,
    relu.LAYER,
    leaky_relu.LAYER,
    elu.LAYER,
    gelu.LAYER,
    tanh.LAYER,
    sigmoid.LAYER,
    softmax.LAYER,
    dropout.LAYER,
    flatten.LAYER,
    reshape.LAYER,
    pad.LAYER,
    identity.LAYER,
)
