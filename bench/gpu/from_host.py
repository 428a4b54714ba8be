"""Pictures that lie on the host: brought to the device, convolved, and brought back.

All contenders find them in ordinary memory, as what was just decoded, and leave results in pinned
memory of the host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import convq
from core.arrays import array_module
from core.conv.cuda.transfers import transfers

Call = Callable[[], list[Any]]


def convq_call(x: Any, w: Any, method: str) -> Call:
    """Return convq's call, by the way that jobs go."""
    pictures, ferry = list(x.get()), transfers(array_module(x))

    def work(picture: Any) -> Any:
        return convq.convolve(picture, w, "same", method=method)

    def call() -> list[Any]:
        begun = [ferry.begin(work, picture) for picture in pictures]
        return [pending.result() for pending in begun]

    return call


def torch_call(torch: Any, x: Any, kernel: Any) -> Call:
    """Return PyTorch's call, with buffers of pinned memory that are there already."""
    pictures = [torch.from_numpy(picture)[None, None] for picture in x.get()]
    weights = torch.from_dlpack(kernel)[None, None]
    padding = [k // 2 for k in weights.shape[2:]]
    convolve = torch.nn.functional.conv2d
    shape = convolve(pictures[0].cuda(), weights, padding=padding).shape
    there = [torch.empty_like(picture, pin_memory=True) for picture in pictures]
    back = [torch.empty(shape, pin_memory=True) for _ in pictures]

    def call() -> list[Any]:
        for picture, pinned, result in zip(pictures, there, back, strict=True):
            pinned.copy_(picture)
            moved = pinned.cuda(non_blocking=True)
            result.copy_(convolve(moved, weights, padding=padding), non_blocking=True)
        torch.cuda.synchronize()
        return back

    return call
