"""Windows that slide over spatial axes: what Conv, ConvTranspose and the pools have in common.

Sizes and paddings are those of the operators' documentation (https://onnx.ai/onnx/operators/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.arrays import Array, array_module
from core.errors import InvalidInput
from core.nets.onnx.graph import Node
from core.nets.onnx.operator import bounded

Pads = tuple[tuple[int, int], ...]

_MOST = 1 << 30


@dataclass(frozen=True)
class Window:
    """How a window slides.

    Attributes
    ----------
    kernel, strides, dilations : tuple of int
        One number per spatial axis.
    pads : tuple of (int, int)
        Positions before and after each axis.
    lengths : tuple of int
        Outputs per axis.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: Pads
    lengths: tuple[int, ...]

    @property
    def extents(self) -> tuple[int, ...]:
        """Positions that the window spans per axis."""
        return extents(self.kernel, self.dilations)


def extents(kernel: Sequence[int], dilations: Sequence[int]) -> tuple[int, ...]:
    """Return how many positions a dilated kernel spans.

    Examples
    --------
    >>> extents((3, 2), (2, 1))
    (5, 2)
    """
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True))


def numbers(node: Node, name: str, count: int, default: int, least: int = 0) -> tuple[int, ...]:
    """Return an attribute with one whole number per axis (or ``default``).

    Raises
    ------
    InvalidInput
        There are more or fewer, or one is out of range.
    """
    given = node.attributes.get(name)
    if given is None:
        return (default,) * count
    if len(given) != count or not all(least <= n <= _MOST for n in given):
        raise InvalidInput(
            "not one number per axis, or one is out of range",
            field=name,
            given=list(given),
            accepted=f"{count} whole numbers from {least} to {_MOST}",
        )
    return tuple(int(n) for n in given)


def kernel_shape(node: Node, ndim: int, found: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the size of the window, which must be that of the kernels where there are some."""
    if found is None:
        return numbers(node, "kernel_shape", ndim, 1, least=1)
    given = node.attributes.get("kernel_shape")
    if given is not None and tuple(given) != tuple(found):
        raise InvalidInput(
            "not the size of the kernels",
            field="kernel_shape",
            given=list(given),
            accepted=str(list(found)),
        )
    return tuple(found)


def slide(node: Node, spatial: Sequence[int], found: Sequence[int] | None = None) -> Window:
    """Return how the window of a Conv or a pool slides over an input.

    Parameters
    ----------
    node : Node
        With the attributes auto_pad, ceil_mode, dilations, kernel_shape, pads and strides.
    spatial : sequence of int
        Shape of the input without batch and channels.
    found : sequence of int, optional
        Size of the kernels, for a Conv.

    Raises
    ------
    InvalidInput
        An attribute does not fit, or the window is larger than the padded input.
    """
    ndim = len(spatial)
    kernel = kernel_shape(node, ndim, found)
    strides = numbers(node, "strides", ndim, 1, least=1)
    dilations = numbers(node, "dilations", ndim, 1, least=1)
    spans = extents(kernel, dilations)
    mode = _auto_pad(node)
    if mode.startswith("SAME"):
        lengths = tuple(-(-size // s) for size, s in zip(spatial, strides, strict=True))
        missing = (
            max(0, (n - 1) * s + span - size)
            for n, s, span, size in zip(lengths, strides, spans, spatial, strict=True)
        )
        pads = tuple(share(total, mode == "SAME_UPPER") for total in missing)
        return Window(kernel, strides, dilations, pads, lengths)
    pads = pairs(node, ndim)
    up = bool(node.attributes.get("ceil_mode", 0))
    lengths = tuple(
        _length(size, around, span, step, up)
        for size, around, span, step in zip(spatial, pads, spans, strides, strict=True)
    )
    if min(lengths, default=1) < 1:
        raise InvalidInput(
            "the window is larger than the padded input",
            field="kernel_shape",
            given=f"{list(kernel)} with dilations {list(dilations)} over {list(spatial)}",
            accepted="a window that fits",
        )
    return Window(kernel, strides, dilations, pads, lengths)


def pairs(node: Node, ndim: int) -> Pads:
    """Return the attribute pads as pairs, zeros where auto_pad is VALID.

    Raises
    ------
    InvalidInput
        auto_pad and pads contradict each other, or pads is malformed.
    """
    mode = _auto_pad(node)
    if mode not in ("NOTSET", "VALID"):
        raise InvalidInput("has no pads of its own", field="auto_pad", given=mode)
    flat = numbers(node, "pads", 2 * ndim, 0) if mode == "NOTSET" else (0,) * (2 * ndim)
    return tuple(zip(flat[:ndim], flat[ndim:], strict=True))


def share(total: int, upper: bool) -> tuple[int, int]:
    """Return padding shared between both ends; the odd one goes to the end if ``upper``.

    Examples
    --------
    >>> share(3, upper=True), share(3, upper=False)
    ((1, 2), (2, 1))
    """
    less = total // 2
    return (less, total - less) if upper else (total - less, less)


def padded(x: Array, pads: Pads, value: Any = 0) -> Array:
    """Return ``x (N, C, *S)`` with ``value`` around its spatial axes."""
    if not any(map(any, pads)):
        return x
    around = ((0, 0), (0, 0), *pads)
    bounded([n + before + after for n, (before, after) in zip(x.shape, around, strict=True)])
    return array_module(x).pad(x, around, constant_values=value)


def spatial_axes(x: Array, node: Node) -> int:
    """Return how many spatial axes ``x`` has, at least one.

    Raises
    ------
    InvalidInput
        If it is no batch of arrays with channels.
    """
    if x.ndim < 3:
        raise InvalidInput(
            f"{node.op} needs a batch with channels and spatial axes",
            field=node.inputs[0],
            given=x.shape,
            accepted="(N, C, *S)",
        )
    return int(x.ndim) - 2


def _auto_pad(node: Node) -> str:
    given = node.attributes.get("auto_pad", "NOTSET")
    known = ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    if given not in known:
        raise InvalidInput("no such auto_pad", field="auto_pad", given=given, accepted=known)
    if given != "NOTSET" and np.any(node.attributes.get("pads", 0)):
        raise InvalidInput(
            "auto_pad computes what pads gives", field="pads", given=node.attributes["pads"]
        )
    return str(given)


def _length(size: int, pads: tuple[int, int], span: int, step: int, up: bool) -> int:
    before, after = pads
    room = size + before + after - span
    if room < 0:
        return 0
    if not up:
        return room // step + 1
    length = -(-room // step) + 1
    # A window that begins in the padding at the end covers nothing of the input.
    return length - ((length - 1) * step >= size + before)
