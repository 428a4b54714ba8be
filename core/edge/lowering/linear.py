"""Layers that sum products: each becomes steps ``conv``, or a step ``depthwise``."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from core.edge.lowering.state import Lowering, Numbers, filters_of, flat_window, sides
from core.edge.tensors import Region, whole
from core.nets.inference.fusion import Operation
from core.nets.inference.sums import Axis
from core.nets.inference.transposed import Phase, phases
from core.nets.layers import conv as conv_layer
from core.nets.layers.conv import ConvSpec
from core.nets.layers.conv_transpose import ConvTransposeSpec
from core.nets.window import Window

# Along the rows of sound.
_ONE_ROW = [Phase([0], Axis([0], 0, 1, 0, 1, 1))]


def conv(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add one step for each group of channels, or a single one if each channel is its own."""
    node, (x,) = operation.node, inputs
    spec = node.spec
    assert isinstance(spec, ConvSpec)
    kernel, bias = filters_of(operation)
    window = flat_window(conv_layer.window_of(spec, node.incoming[0]), node)
    kernel = kernel.reshape(*kernel.shape[:2], *window.kernel)
    channels, filters = kernel.shape[1], len(kernel) // spec.groups
    depthwise = spec.groups == x.shape[0] == len(kernel) > 1
    y = plan.buffer(sides(node.shape), 0 if depthwise else len(kernel) - filters)
    (top, left), (height, width) = window.padding, x.shape[1:]
    needed = [
        (n - 1) * s + d * (k - 1) + 1 - p
        for n, s, d, k, p in zip(
            y.shape[1:], window.stride, window.dilation, window.kernel, window.padding, strict=True
        )
    ]
    x.buffer.reach(top, max(0, needed[0] - height), left, max(0, needed[1] - width))
    ending = plan.ending(operation)
    if depthwise:
        around = Region(x.buffer, x.shape, (0, -top, -left))
        matrix = kernel.reshape(len(kernel), -1).T
        return _add(plan, "depthwise", around, whole(y), matrix, bias, window, ending)
    for group in range(spec.groups):
        mine = slice(group * filters, (group + 1) * filters)
        _add_conv(
            plan,
            Region(x.buffer, (channels, *x.shape[1:]), (group * channels, -top, -left)),
            Region(y, (filters, *y.shape[1:]), (mine.start, 0, 0)),
            kernel[mine],
            bias[mine],
            window,
            ending,
        )
    return whole(y)


def conv_transpose(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add one convolution for each group of channels and phase of the outputs.

    See `core.nets.inference.transposed`.
    """
    node, (x,) = operation.node, inputs
    spec = node.spec
    assert isinstance(spec, ConvTransposeSpec)
    weight, bias = filters_of(operation)
    channels, filters = len(weight) // spec.groups, weight.shape[1]
    y = plan.buffer(sides(node.shape), node.shape[0] - filters)
    along = phases(operation, node.incoming[0])
    # (channels, filters of a group, rows, columns)
    kernel = weight.reshape(*weight.shape[:2], *(1,) * (2 - len(along)), *weight.shape[2:])
    along = [_ONE_ROW] * (2 - len(along)) + along
    ending = plan.ending(operation)
    for group, (rows, columns) in product(range(spec.groups), product(*along)):
        mine = kernel[group * channels : (group + 1) * channels].swapaxes(0, 1)
        taps, first, window = _seen(mine, rows, columns)
        steps, counts = zip(*((p.axis.stride, p.axis.count) for p in (rows, columns)), strict=True)
        ends = [
            f + n - 1 + d * (k - 1) + 1 - side
            for f, n, d, k, side in zip(
                first, counts, window.dilation, window.kernel, x.shape[1:], strict=True
            )
        ]
        x.buffer.reach(max(0, -first[0]), max(0, ends[0]), max(0, -first[1]), max(0, ends[1]))
        _add_conv(
            plan,
            Region(x.buffer, (channels, *x.shape[1:]), (group * channels, *first)),
            Region(
                y,
                (filters, *counts),
                (group * filters, rows.axis.first, columns.axis.first),
                (steps[0], steps[1]),
            ),
            taps,
            bias[group * filters : (group + 1) * filters],
            window,
            ending,
        )
    return whole(y)


def dense(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    """Add a convolution by a kernel as large as the picture that the vector was."""
    (x,) = inputs
    kernel, bias = filters_of(operation)
    y = whole(plan.buffer((operation.node.shape[0], 1, 1)))
    window = Window(x.shape[1:], (1, 1), (0, 0), (1, 1))
    kernel = kernel.reshape(len(kernel), *x.shape)
    _add_conv(plan, x, y, kernel, bias, window, plan.ending(operation))
    return y


def _seen(kernel: Numbers, rows: Phase, columns: Phase) -> tuple[Numbers, tuple[int, int], Window]:
    """Return what outputs of a phase see: the taps, the first input, and the window.

    Taps of a phase are as far apart as each other, from the last input to the first.
    """
    first, size, apart = [], [], []
    for axis, phase in ((2, rows), (3, columns)):
        inputs = list(phase.axis.taps)[::-1]
        kernel = np.take(kernel, phase.elements[::-1], axis)
        if not inputs:
            # Nothing meets these outputs: any input will do, times zero.
            sides = list(kernel.shape)
            sides[axis] = 1
            kernel, inputs = np.zeros(sides, np.float32), [0]
        first.append(inputs[0])
        size.append(len(inputs))
        apart.append(inputs[1] - inputs[0] if len(inputs) > 1 else 1)
    window = Window(tuple(size), (1, 1), (0, 0), tuple(apart))
    return kernel, (first[0], first[1]), window


def _add_conv(
    plan: Lowering,
    x: Region,
    y: Region,
    kernel: Numbers,
    bias: Numbers,
    window: Window,
    ending: dict[str, Any],
) -> None:
    """Add a step that correlates: ``kernel (filters, channels, rows, columns)``."""
    matrix = kernel.transpose(2, 3, 1, 0).reshape(-1, len(kernel))
    _add(plan, "conv", x, y, matrix, bias, window, ending)


def _add(
    plan: Lowering,
    op: str,
    x: Region,
    y: Region,
    matrix: Numbers,
    bias: Numbers,
    window: Window,
    ending: dict[str, Any],
) -> Region:
    """Add a step with a matrix of weights, ``(inputs, outputs)``."""
    return plan.step(
        op,
        [x],
        y,
        multiply_adds=matrix.size * y.shape[1] * y.shape[2],
        kernel=list(window.kernel),
        stride=list(window.stride),
        dilation=list(window.dilation),
        weight=plan.array(matrix),
        bias=plan.array(bias),
        **ending,
    )
