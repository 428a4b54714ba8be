"""Images that come one after the other and meet the same kernel, on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import convq
from core.conv import FixedKernel

Call = Callable[[], list[Any]]


def convq_call(x: Any, w: Any, method: str, *, is_fixed: bool) -> Call:
    """Return convq's call, with a kernel that is fixed or with an array."""
    kernel = FixedKernel(w) if is_fixed else w
    return lambda: [convq.convolve(image, kernel, "same", method=method) for image in x]


def torch_call(torch: Any, x: Any, kernel: Any) -> Call:
    """Return PyTorch's call."""
    images = torch.from_dlpack(x)[:, None, None]
    weights = torch.from_dlpack(kernel)[None, None]
    padding = [k // 2 for k in weights.shape[2:]]
    convolve = torch.nn.functional.conv2d
    return lambda: [convolve(image, weights, padding=padding) for image in images]
