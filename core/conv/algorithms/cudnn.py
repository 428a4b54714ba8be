"""NVIDIA's cuDNN on its own terms: sums over channels, on GPUs where it is installed.

Its kernels compute every tap, as direct convolution does: those that transform are left out
(`core.conv.cuda.cudnn.graph_of`), so errors are those of a sum, and what is not finite stays where
it belongs. Gradients have operations of their own (`gradient_cost`, `input_gradient`,
`kernel_gradient`), which `core.conv.gradients` takes where they are predicted to be faster than
convolutions.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import numpy as np

from core.arrays import Array
from core.conv.algorithm import Algorithm, Cost
from core.conv.algorithms import direct
from core.conv.blocks import Check
from core.conv.cuda import cudnn
from core.conv.cuda.cudnn import MADE, Operation, Planned, What
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm

_NUMBERS = ("float32", "float64")
_MOST_AXES = 3
# Counted as tiles of a product of matrices with so many output channels and places of a sum, which
# may be empty. Which tile its kernels have is not known.
_ROWS, _DEPTH = 32, 8
# To look whether the kernel is finite, and to turn it round.
_CALLS = 3
_HALF_ROUNDOFF = 2.0**-11


def refuses(form: NormalForm) -> str | None:
    """Refuse what cuDNN has no words for, and planes, which have no sum over channels."""
    if form.bits is not None or form.dtype not in _NUMBERS:
        return "it computes with float16, float32 and float64"
    if form.ndim > _MOST_AXES:
        return f"it convolves up to {_MOST_AXES} axes"
    if form.in_channels == form.out_channels == 1:
        return "there are no channels"
    found = _operation(form, "output")
    return found if isinstance(found, str) else None


def refuses_on(form: NormalForm, device: Device) -> str | None:
    """Refuse devices without cuDNN; where it can be asked, what it has no kernel for."""
    if device.kind != "gpu":
        return "it computes on NVIDIA GPUs"
    if not device.cudnn:
        reason = cudnn.missing() if "cupy" in sys.modules else None
        return "there is no cuDNN where the GPU is" + (f": {reason}" if reason else "")
    return _refusal(form, "output", device)


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count products, those of empty places in tiles too, and what is converted for them."""
    return _cost(form, "output", device, memory_cap)


def products(form: NormalForm, device: Device) -> str:
    """Return what is multiplied: tensor cores round to nothing less than tf32."""
    allowed = {"tf32": "tf32", "bfloat16": "tf32", "float16": "float16"}
    return allowed.get(form.precision, form.dtype)


def error_bound(form: NormalForm) -> float:
    """Return that of direct sums; results of float16 are rounded to it."""
    rounded = _HALF_ROUNDOFF if form.precision == "float16" else 0.0
    return direct.error_bound(form) + rounded


def carries_nonfinite(form: NormalForm, device: Device) -> tuple[Literal["x", "w"], ...]:
    """Return ``x``: its kernels put zeros around it, so ``w`` has to be finite."""
    return ("x",)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out``; the arguments are those of `core.conv.algorithm.Run`."""
    check()
    operation, part = _found(form, "output")
    # cuDNN correlates.
    turned = w[(..., *(slice(None, None, -1),) * form.ndim)]
    _compute(operation, {"x": x[(..., *part)], "w": turned}, out, memory_cap)


@lru_cache(maxsize=4096)
def gradient_cost(
    form: NormalForm, what: What, device: Device, memory_cap: int | None
) -> Cost | str:
    """Return what a gradient of the convolution ``form`` costs, or why there is none.

    Parameters
    ----------
    form : NormalForm
        The convolution; ``form.precision`` says what may be multiplied for its gradients.
    what : {"input gradient", "kernel gradient"}
        Which one.
    device, memory_cap
        As `cost` takes them.
    """
    refused = refuses(form) or refuses_on(form, device) or _refusal(form, what, device)
    if refused is not None:
        return refused
    found = _cost(form, what, device, memory_cap)
    if memory_cap is not None and found.bytes > memory_cap:
        return f"takes {found.bytes} bytes, the memory cap is {memory_cap}"
    return found


def input_gradient(
    form: NormalForm, y: Array, w: Array, x: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``x`` with the gradient with respect to the input.

    Parameters
    ----------
    form : NormalForm
        A convolution that has no more than a step of its input left over.
    y : array of shape ``form.out_shape``
        The gradient with respect to its result.
    w : array of shape ``(out_channels, in_channels / groups, *kernel)``
        Oriented for correlation, and finite.
    x : array of shape ``(batch, in_channels, *spatial)``
        To be overwritten.
    check, memory_cap
        See `core.conv.algorithm.Run`.
    """
    check()
    operation, _ = _found(form, "input gradient")
    _compute(operation, {"w": w, "y": y}, x, memory_cap)


def kernel_gradient(
    form: NormalForm, x: Array, y: Array, w: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``w`` with the gradient with respect to the kernels; ``y`` has to be finite.

    The arguments are those of `input_gradient`.
    """
    check()
    operation, _ = _found(form, "kernel gradient")
    _compute(operation, {"x": x, "y": y}, w, memory_cap)


def _compute(
    operation: Operation, given: Mapping[str, Array], out: Array, memory_cap: int | None
) -> None:
    inputs = given["x"] if "x" in given else given["y"]
    operation = cudnn.in_layout_of(inputs, operation)
    arrays = {name: cudnn.packed(array, operation) for name, array in given.items()}
    is_target = cudnn.is_packed(out, operation)
    found = out if is_target else cudnn.empty(out.shape, operation, out)
    arrays[MADE[operation.what]] = found
    left = None if memory_cap is None else memory_cap - _copied(operation)
    cudnn.call(operation, arrays, _most_workspace(operation, left))
    if not is_target:
        out[...] = found


def _cost(form: NormalForm, what: What, device: Device, memory_cap: int | None) -> Cost:
    operation, _ = _found(form, what)
    rows = -(-form.out_channels // form.groups // _ROWS) * _ROWS * form.groups
    depth = -(-form.group_channels * form.taps // _DEPTH) * _DEPTH
    work = form.outputs // form.out_channels * rows * depth
    copied = _copied(operation)
    numbers = sum(math.prod(shape) for shape in (operation.x, operation.w, operation.y))
    moved = numbers * np.dtype(operation.number).itemsize * device.copy
    # Arrays of another dtype are converted before and after.
    converted = 2 * copied * device.copy if operation.number != form.dtype else 0.0
    seconds = max(work * device.cudnn[products(form, device)], moved) + converted
    left = None if memory_cap is None else memory_cap - copied
    if _is_here(device):
        found = cudnn.planned(operation, _most_workspace(operation, left))
        # Where cuDNN has nothing for so little memory, what it wants tells how much it needs.
        found = cudnn.planned(operation) if isinstance(found, str) else found
        assert isinstance(found, Planned), found
        workspace = found.workspace
    else:
        # Some of its kernels bring everything in another order first.
        workspace = copied
    return Cost(seconds + _CALLS * device.call, copied + workspace)


def _is_here(device: Device) -> bool:
    # Whether arrays of this process may lie there, so that cuDNN can be asked.
    cupy = sys.modules.get("cupy")
    if cupy is None or cudnn.missing() is not None:
        return False
    here = device_of(cupy.empty(0))
    return (here.kind, here.name) == (device.kind, device.name)


def _most_workspace(operation: Operation, left: int | None) -> int | None:
    # No bound where cuDNN's first choice keeps to it, so that there is one graph for all of them.
    found = cudnn.planned(operation)
    is_too_much = isinstance(found, Planned) and left is not None and found.workspace > left
    return left if is_too_much else None


def _copied(operation: Operation) -> int:
    # Bytes of all arrays, should none of them be as it has to be.
    numbers = sum(math.prod(shape) for shape in (operation.x, operation.w, operation.y))
    return numbers * np.dtype(operation.number).itemsize


def _refusal(form: NormalForm, what: What, device: Device) -> str | None:
    operation, _ = _found(form, what)
    found = cudnn.planned(operation) if _is_here(device) else None
    return found if isinstance(found, str) else None


def _operation(form: NormalForm, what: What) -> tuple[Operation, tuple[slice, ...]] | str:
    number = "float16" if form.precision == "float16" else form.dtype
    rounds = form.precision in ("tf32", "bfloat16")
    return cudnn.operation_of(form, what, number, rounds=rounds)


def _found(form: NormalForm, what: What) -> tuple[Operation, tuple[slice, ...]]:
    found = _operation(form, what)
    assert not isinstance(found, str), found
    return found


ALGORITHM = Algorithm(
    name="cudnn",
    summary="NVIDIA's cuDNN, for sums over channels on GPUs that have it",
    refuses=refuses,
    refuses_on=refuses_on,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=carries_nonfinite,
    products=products,
    capturable=True,
    needs_gpu=True,
)
