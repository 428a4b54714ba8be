"""Sizes per axis as ONNX's attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.nets.window import Window


def per_axis(value: int | Sequence[int], count: int) -> list[int]:
    """Return one number per axis.

    Examples
    --------
    >>> per_axis(2, 3), per_axis([1, 2], 2)
    ([2, 2, 2], [1, 2])
    """
    return [value] * count if isinstance(value, int) else list(value)


def window_attributes(window: Window, *, dilations: bool = True) -> dict[str, Any]:
    """Return the attributes of a window that slides.

    Examples
    --------
    >>> window_attributes(Window((3,), (2,), (1,), (1,)), dilations=False)
    {'kernel_shape': [3], 'strides': [2], 'pads': [1, 1]}
    """
    found = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "pads": [*window.padding, *window.padding],
    }
    return found | ({"dilations": list(window.dilation)} if dilations else {})
