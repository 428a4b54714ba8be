"""Layers that sum products: each becomes one or several steps ``conv``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.edge.fusion import Numbers, activation, folded
from core.edge.lowering.state import Lowering, Value, flat_window, sides
from core.edge.tensors import Region, Sides, whole
from core.errors import InvalidInput
from core.nets.graph import Node
from core.nets.layers import conv as conv_layer
from core.nets.layers import conv_transpose as conv_transpose_layer
from core.nets.layers.conv import ConvSpec
from core.nets.layers.conv_transpose import ConvTransposeSpec
from core.nets.window import Window


def conv(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add one step for each group of channels."""
    spec = node.spec
    assert isinstance(spec, ConvSpec)
    x = inputs[0].region
    kernel, bias = folded(node, chain, plan.weights, 0)
    window = flat_window(conv_layer.window_of(spec, node.incoming[0]), node)
    kernel = kernel.reshape(*kernel.shape[:2], *window.kernel)
    y = plan.buffer(sides(node.shape))
    (top, left), (height, width) = window.padding, x.shape[1:]
    needed = [
        (n - 1) * s + d * (k - 1) + 1 - p
        for n, s, d, k, p in zip(
            y.shape[1:], window.stride, window.dilation, window.kernel, window.padding, strict=True
        )
    ]
    x.buffer.reach(top, max(0, needed[0] - height), left, max(0, needed[1] - width))
    channels, filters = kernel.shape[1], len(kernel) // spec.groups
    for group in range(spec.groups):
        mine = slice(group * filters, (group + 1) * filters)
        _add_conv(
            plan,
            Region(x.buffer, (channels, *x.shape[1:]), (group * channels, -top, -left)),
            Region(y, (filters, *y.shape[1:]), (mine.start, 0, 0)),
            kernel[mine],
            bias[mine],
            window,
            activation(chain),
        )
    return Value(whole(y))


def conv_transpose(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add one convolution for each residue of the outputs by the stride.

    An output ``t`` sums over the taps ``k`` with ``t + padding - k`` a multiple of the stride. So
    all outputs of a residue have the same taps, and lie as far apart as the stride.
    """
    spec = node.spec
    assert isinstance(spec, ConvTransposeSpec)
    x = inputs[0].region
    kernel, bias = folded(node, chain, plan.weights, 1)
    window = flat_window(conv_transpose_layer.window_of(spec, node.incoming[0]), node)
    if spec.groups > 1 or window.dilation != (1, 1):
        raise InvalidInput(
            "a box transposes convolutions without groups and dilation only",
            field=f"model.layers.{node.index}",
            given=f"groups {spec.groups}, dilation {window.dilation}",
            accepted="groups 1, dilation 1",
        )
    kernel = kernel.reshape(*kernel.shape[:2], *window.kernel).transpose(1, 0, 2, 3)
    y = plan.buffer(sides(node.shape))
    for rows in _residues(window, y.shape, 0):
        for columns in _residues(window, y.shape, 1):
            taps = kernel[:, :, rows.taps][:, :, :, columns.taps]
            if not taps.size:
                taps = np.zeros((*kernel.shape[:2], 1, 1), np.float32)
            size = (taps.shape[2], taps.shape[3])
            top, left = rows.first, columns.first
            x.buffer.reach(
                max(0, -top),
                max(0, top + rows.count - 1 + size[0] - x.shape[1]),
                max(0, -left),
                max(0, left + columns.count - 1 + size[1] - x.shape[2]),
            )
            _add_conv(
                plan,
                Region(x.buffer, x.shape, (0, top, left)),
                Region(
                    y,
                    (y.shape[0], rows.count, columns.count),
                    (0, rows.residue, columns.residue),
                    (window.stride[0], window.stride[1]),
                ),
                taps,
                bias,
                Window(size, (1, 1), (0, 0), (1, 1)),
                activation(chain),
            )
    return Value(whole(y))


def dense(plan: Lowering, node: Node, chain: list[Node], inputs: list[Value]) -> Value:
    """Add a convolution by a kernel as large as the picture that the vector was."""
    x = inputs[0].region
    kernel, bias = folded(node, chain, plan.weights, 0)
    y = plan.buffer((node.shape[0], 1, 1))
    # A vector that lies pixel by pixel is read by a kernel as large as the picture.
    window = Window(x.shape[1:], (1, 1), (0, 0), (1, 1))
    _add_conv(
        plan, x, whole(y), kernel.reshape(len(kernel), *x.shape), bias, window, activation(chain)
    )
    return Value(whole(y))


def _add_conv(
    plan: Lowering,
    x: Region,
    y: Region,
    kernel: Numbers,
    bias: Numbers,
    window: Window,
    act: list[object] | None,
) -> None:
    """Add a step that correlates: ``kernel (filters, channels, rows, columns)``."""
    matrix = kernel.transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    plan.step(
        "conv",
        [x],
        y,
        multiply_adds=matrix.size * y.shape[1] * y.shape[2],
        kernel=list(window.kernel),
        stride=list(window.stride),
        dilation=list(window.dilation),
        weight=plan.array(matrix),
        bias=plan.array(bias),
        act=act,
    )


@dataclass(frozen=True)
class _Residue:
    residue: int
    count: int
    first: int
    taps: slice | list[int]


def _residues(window: Window, shape: Sides, axis: int) -> list[_Residue]:
    stride, padding, kernel = window.stride[axis], window.padding[axis], window.kernel[axis]
    found = []
    for residue in range(min(stride, shape[1 + axis])):
        count = -(-(shape[1 + axis] - residue) // stride)
        # The smallest tap that meets such an output, and the input that it meets at the first one.
        tap = (residue + padding) % stride
        base = (residue + padding) // stride
        taps = list(range(tap, kernel, stride))[::-1]
        # No tap meets it: any input will do, times zero.
        first = base - len(taps) + 1 if taps else 0
        found.append(_Residue(residue, count, first, taps))
    return found
