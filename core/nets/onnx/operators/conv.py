"""Conv and ConvTranspose, by the engine."""

from __future__ import annotations

from collections.abc import Sequence

from core import conv as engine
from core.arrays import Array
from core.conv.blocks import Check
from core.conv.gradients import conv_input_gradient
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import Inputs, Operator, bounded
from core.nets.onnx.windows import (
    Pads,
    extents,
    kernel_shape,
    numbers,
    padded,
    pairs,
    share,
    slide,
    spatial_axes,
)


def conv(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the cross-correlation of ``x (N, C, *S)`` with ``w (O, C / group, *K)``."""
    x, w, bias = _operands(node, inputs)
    window = slide(node, x.shape[2:], w.shape[2:])
    bounded((len(x), len(w), *window.lengths))
    pads = window.pads
    even = all(before == after for before, after in pads)
    y = engine.conv(
        x if even else padded(x, pads),
        w,
        window.strides,
        tuple(before for before, _ in pads) if even else 0,
        window.dilations,
        _groups(node),
        check=check,
    )
    return (_with_bias(y, bias),)


def conv_transpose(node: Node, inputs: Inputs, check: Check) -> tuple[Array, ...]:
    """Return the gradient of a convolution with respect to its input: ``w (C, O / group, *K)``."""
    x, w, bias = _operands(node, inputs)
    spatial, groups = x.shape[2:], _groups(node)
    ndim = len(spatial)
    kernel = kernel_shape(node, ndim, w.shape[2:])
    strides = numbers(node, "strides", ndim, 1, least=1)
    dilations = numbers(node, "dilations", ndim, 1, least=1)
    spans = extents(kernel, dilations)
    full = tuple(s * (n - 1) + span for s, n, span in zip(strides, spatial, spans, strict=True))
    more = numbers(node, "output_padding", ndim, 0)
    pads = _transposed_pads(node, spatial, [f + m for f, m in zip(full, more, strict=True)])
    shape = (len(x), w.shape[1] * groups, *full)
    bounded([n + m for n, m in zip(shape, (0, 0, *more), strict=True)])
    y = conv_input_gradient(x, w, shape, strides, 0, dilations, groups, check=check)
    # Where padding reaches beyond what the kernels touch there is only the bias.
    y = padded(y, tuple((max(0, -b), max(0, m - a)) for (b, a), m in zip(pads, more, strict=True)))
    inside = (
        slice(max(0, before), max(0, before) + f + m - before - after)
        for (before, after), f, m in zip(pads, full, more, strict=True)
    )
    return (_with_bias(y[(..., *inside)], bias),)


def _transposed_pads(node: Node, spatial: Sequence[int], full: Sequence[int]) -> Pads:
    """Return what is cut off each end of the full result (negative: added)."""
    ndim = len(spatial)
    mode = node.attributes.get("auto_pad", "NOTSET")
    shape = node.attributes.get("output_shape")
    if shape is not None:
        wanted = numbers(node, "output_shape", ndim, 1, least=1)
    elif mode.startswith("SAME"):
        strides = numbers(node, "strides", ndim, 1, least=1)
        wanted = tuple(n * s for n, s in zip(spatial, strides, strict=True))
    else:
        pads = pairs(node, ndim)
        left = [f - before - after for f, (before, after) in zip(full, pads, strict=True)]
        if min(left) < 1:
            raise InvalidInput(
                "nothing would be left of the output",
                field="pads",
                given=[list(pair) for pair in pads],
                accepted=f"less than {list(full)}",
            )
        return pads
    # What is missing is added at the end, as ONNX Runtime does it.
    totals = [f - n for f, n in zip(full, wanted, strict=True)]
    return tuple(
        share(total, mode == "SAME_UPPER") if total >= 0 else (0, total) for total in totals
    )


def _operands(node: Node, inputs: Inputs) -> tuple[Array, Array, Array | None]:
    x, w, bias = (*inputs, None)[:3]
    assert x is not None
    assert w is not None
    spatial_axes(x, node)
    if w.ndim != x.ndim:
        raise InvalidInput(
            "the kernels have another number of axes than the input",
            field=node.inputs[1],
            given=w.shape,
            accepted=f"{x.ndim} axes",
        )
    return x, w, bias


def _groups(node: Node) -> int:
    groups = int(node.attributes["group"])
    if groups < 1:
        raise InvalidInput("not a number of groups", field="group", given=groups, accepted=">= 1")
    return groups


def _with_bias(y: Array, bias: Array | None) -> Array:
    if bias is None:
        return y
    if bias.shape != (y.shape[1],):
        raise InvalidInput(
            "not one number per output channel",
            field="B",
            given=bias.shape,
            accepted=str((y.shape[1],)),
        )
    return y + bias.reshape(-1, *(1,) * (y.ndim - 2))


CONV = Operator("Conv", conv, floating=True)
CONV_TRANSPOSE = Operator("ConvTranspose", conv_transpose, floating=True)
