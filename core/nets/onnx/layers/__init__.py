"""How each layer of convq is written in ONNX; a new one is a function and one line here.

A function is ``(builder, node, names of inputs, weights by name in the file) -> name of output``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from core.nets.graph import Node
from core.nets.layer import Weights
from core.nets.onnx.builder import Builder
from core.nets.onnx.layers import activations, filters, norms, pools, preprocessing, shapes

Writer: TypeAlias = Callable[[Builder, Node, Sequence[str], Weights], str]

WRITERS: dict[str, Writer] = {
    "add": shapes.add,
    "average_pool": pools.average_pool,
    "batch_norm": norms.batch_norm,
    "concatenate": shapes.concatenate,
    "conv": filters.conv,
    "conv_transpose": filters.conv_transpose,
    "dense": filters.dense,
    "dropout": activations.plain("Identity"),
    "edge_channel": shapes.edge_channel,
    "elu": activations.elu,
    "embedding": filters.embedding,
    "filter": preprocessing.preset_filter,
    "flatten": shapes.flatten,
    "gelu": activations.plain("Gelu"),
    "global_average_pool": pools.global_average_pool,
    "global_max_pool": pools.global_max_pool,
    "identity": activations.plain("Identity"),
    "layer_norm": norms.layer_norm,
    "leaky_relu": activations.leaky_relu,
    "log_mel": preprocessing.log_mel,
    "max_pool": pools.max_pool,
    "pad": shapes.pad,
    "relu": activations.plain("Relu"),
    "reshape": shapes.reshape,
    "sigmoid": activations.plain("Sigmoid"),
    "softmax": activations.softmax,
    "standardize": norms.standardize,
    "stft": preprocessing.stft,
    "tanh": activations.plain("Tanh"),
    "whiten": norms.whiten,
}
