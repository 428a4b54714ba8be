"""Separable and low-rank kernels: a few 1-D passes instead of all taps.

The kernel is split into outer products of vectors (`core.conv.lowrank`); each costs one pass per
axis, block by block, so that the passes meet in the cache.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

from core.arrays import Array, array_module
from core.conv import codegen
from core.conv.algorithm import Algorithm, Cost
from core.conv.algorithms.direct import accumulate, idle_factor
from core.conv.blocks import Block, Check, block_count, blocks, cut, for_each, workers_for
from core.conv.cuda import separable as cuda
from core.conv.device import Device, device_of
from core.conv.fixed import once
from core.conv.lowrank import terms_of, tolerance
from core.conv.normal import NormalForm, Shape, read

_BLOCK_BYTES = 1 << 20
# At most about 0.1 s of work per block.
_BLOCK_MULTIPLY_ADDS = 1 << 28


def refuses(form: NormalForm) -> str | None:
    """Refuse where there is nothing to split, or the kernel's values are not known to split."""
    if form.group_channels > 1:
        return "input channels are summed; only one channel per group can be separated"
    if sum(k > 1 for k in form.kernel) < 2:
        return "the kernel is one-dimensional already"
    if form.rank is None:
        return (
            "the kernel's values are not known, or it is no exact outer product of integers"
            if form.bits is not None
            else "the kernel's values are not known, or not finite"
        )
    return None


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count the multiply-adds of every pass, halo included, and the calls around them."""
    family = _generated(form, device)
    if family is not None:
        cost: Cost = family.cost(form, device, memory_cap)
        return cost
    size, images = _blocking(form)
    count = block_count(form, size, images)
    work = calls = 0
    shape = list(form.span_of(size))
    for axis in _axes(form):
        shape[axis] = size[axis]
        work += images * math.prod(shape) * form.kernel[axis]
        calls += 2 * form.kernel[axis]
    assert form.rank is not None
    repeats = count * form.out_channels * form.rank
    seconds = (
        repeats * work * device.multiply_add[form.dtype] * idle_factor(count, device)
        + repeats * calls * device.call
        + 2 * form.outputs * form.itemsize * device.copy
    )
    held = 4 * images * math.prod(form.span_of(size)) * form.in_channels * form.itemsize
    return Cost(seconds, held * device.workers)


def error_bound(form: NormalForm) -> float:
    """Bound the roundings of the passes, and the part of the kernel that was dropped."""
    passes = (sum(form.kernel) + form.ndim + (form.rank or 1)) * form.unit_roundoff
    # Outer products of orthogonal vectors may be larger than the kernel that they sum to.
    growth = math.sqrt(form.taps) * (form.rank or 1)
    return passes * growth + tolerance(form.kernel, form.unit_roundoff)


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Fill ``out`` block by block, axis by axis; see `core.conv.algorithm.Run`."""
    family = _generated(form, device_of(x))
    if family is not None:
        family.run(form, x, w, out, check=check, memory_cap=memory_cap)
        return
    per_group = form.out_channels // form.groups
    split = once(w, ("terms", form.dtype, form.bits is None), lambda: _split(form, w))
    axes = _axes(form)

    def work(block: Block) -> None:
        inputs = read(
            x[block.images], form.first_input(block.at), form.span_of(block.size), form.dtype
        )
        for o, found in enumerate(split):
            target = out[(block.images, o, *block.positions)]
            for index, term in enumerate(found):
                part = inputs[:, o // per_group]
                for axis in axes:
                    part = _pass(form, part, term[axis], axis, block.size[axis])
                for axis in set(range(form.ndim)) - set(axes):
                    part = part * term[axis][0]
                if index == 0:
                    target[...] = part
                else:
                    target += part

    for_each(work, blocks(form, *_blocking(form)), check, workers_for(x))


def _split(form: NormalForm, w: Array) -> list[list[tuple[Array, ...]]]:
    # The terms of each kernel, where it is.
    bring = array_module(w).asarray
    kernels = [terms_of(form, w[o, 0]) for o in range(form.out_channels)]
    return [[tuple(map(bring, term)) for term in terms] for terms in kernels]


def _generated(form: NormalForm, device: Device) -> Any:
    # The family of generated kernels for the problem, where there is one.
    if device.kind == "gpu":
        return cuda if cuda.supports(form) else None
    if not codegen.available():
        return None
    from core.conv.codegen import box, separable

    return next((family for family in (box, separable) if family.supports(form)), None)


def _pass(form: NormalForm, part: Array, vector: Array, axis: int, outputs: int) -> Array:
    # One axis of the block; the others are carried along as they are.
    def along(value: int, others: int) -> Shape:
        return tuple(value if a == axis else others for a in range(form.ndim))

    shape = list(part.shape)
    shape[1 + axis] = outputs
    xp = array_module(part)
    total, product = xp.empty(shape, form.dtype), xp.empty(shape, form.dtype)
    one_axis = replace(
        form,
        kernel=along(len(vector), 1),
        stride=along(form.stride[axis], 1),
        dilation=along(form.dilation[axis], 1),
    )
    accumulate(one_axis, part, vector.reshape(one_axis.kernel), total, product)
    return total


def _axes(form: NormalForm) -> list[int]:
    # The axis that shrinks its block most goes first: later passes have less to do.
    long = [a for a in range(form.ndim) if form.kernel[a] > 1 or form.stride[a] > 1]
    size, _ = _blocking(form)
    span = form.span_of(size)
    return sorted(long, key=lambda a: size[a] / span[a])


def _blocking(form: NormalForm) -> tuple[Shape, int]:
    work = form.out_channels * (form.rank or 1) * sum(form.kernel)
    return cut(form, min(_BLOCK_BYTES // form.itemsize, _BLOCK_MULTIPLY_ADDS // work))


def carries_nonfinite(form: NormalForm, device: Device) -> tuple[Literal["x", "w"], ...]:
    """Return nothing, since terms have other zeros and signs than their kernel.

    A GPU's kernel looks for itself at what it reads; kernels that are split are finite.
    """
    return ("x", "w") if device.kind == "gpu" and cuda.supports(form) else ()


ALGORITHM = Algorithm(
    name="separable",
    summary="1-D passes over the terms of a low-rank kernel",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=carries_nonfinite,
    rounds=lambda form, device: device.kind == "gpu" and cuda.supports(form),
    reads_parts=lambda form: True,
)
