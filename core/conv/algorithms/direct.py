"""Direct convolution: every tap, block by block in the cache.

Generated kernels compute it where there are any for the problem (`core.conv.codegen`, and
`core.conv.cuda` on GPUs), operations on arrays otherwise. With these, one channel to one channel,
a block accumulates ``tap * shifted input`` for each tap. With many channels the shifted inputs of a
block are gathered into a matrix and one matrix product serves all taps, input channels and output
channels (K. Chellapilla et al., "High performance convolutional neural networks for document
processing", 2006); the matrix is as large as a cache, never as the input times the taps.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import Any, Literal

from core.arrays import Array, array_module, matmul
from core.conv import codegen
from core.conv.algorithm import Algorithm, Cost
from core.conv.blocks import Block, Check, block_count, blocks, cut, for_each, workers_for
from core.conv.cuda import channels as cuda_channels
from core.conv.cuda import direct as cuda_direct
from core.conv.cuda import tensor as cuda_tensor
from core.conv.device import Device, device_of
from core.conv.normal import NormalForm, Shape, read
from core.conv.precision import product_error

# Large enough that threads seldom meet at Python's lock, small enough for the caches.
_BLOCK_BYTES = 1 << 20
# A gathered matrix: as long as the matrix product likes, still inside the last cache.
_GATHER_BYTES = 1 << 23
# A block is at most about 0.1 s of work, so that a check is never far.
_BLOCK_MULTIPLY_ADDS = 1 << 28
# From here on gathering for one matrix product beats one pass per output channel.
_GEMM_CHANNELS = 4


def refuses(form: NormalForm) -> str | None:
    """Return ``None``: direct convolution solves every problem."""
    return None


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Count multiply-adds, and the calls and copies around them."""
    family = _generated(form, device, memory_cap)
    return numpy_cost(form, device) if family is None else family.cost(form, device, memory_cap)


def numpy_cost(form: NormalForm, device: Device) -> Cost:
    """Return the cost of `numpy_run`."""
    size, images = _blocking(form)
    count = block_count(form, size, images)
    if _uses_gemm(form):
        gathered = form.outputs // form.out_channels * form.in_channels * form.taps
        calls = count * form.groups * (form.taps + 2)
        seconds = (
            form.multiply_adds * device.gemm[form.dtype]
            + 2 * (gathered + form.outputs) * form.itemsize * device.copy
            + calls * device.call
        )
        return Cost(seconds, 3 * _GATHER_BYTES)
    calls = 2 * count * form.out_channels * form.taps
    seconds = (
        form.multiply_adds * device.multiply_add[form.dtype] * idle_factor(count, device)
        + calls * device.call
        + form.outputs * form.itemsize * device.copy
    )
    halo = math.prod(form.span_of(size)) * images * form.in_channels * form.itemsize
    return Cost(seconds, (halo + 2 * _BLOCK_BYTES) * device.workers)


def idle_factor(count: int, device: Device) -> float:
    """Return how much longer ``count`` blocks take because there are fewer than cores."""
    return device.workers / min(count, device.workers)


def error_bound(form: NormalForm) -> float:
    """Bound one rounding per product and per sum (N. Higham, *Accuracy and Stability*, eq. 3.5).

    Where less than float32 is multiplied, that of the numbers too; and for a sum two, since tensor
    cores may truncate it: how they round is not documented (M. Fasi et al., "Numerical behavior of
    NVIDIA tensor cores", 2021).
    """
    sums = (form.taps * form.group_channels + 1) * form.unit_roundoff
    if form.precision == "float32":
        return sums
    return 2 * sums + product_error(form.precision)


def carries_nonfinite(form: NormalForm, device: Device) -> tuple[Literal["x", "w"], ...]:
    """Return ``x``: zeros are put outside, so ``w`` has to be finite.

    A GPU's kernels look for themselves: to ask it from here would take as long as to convolve.
    A complex matrix product ends with a multiplication by 1 + 0j, which makes infinity NaN.
    """
    if device.kind == "gpu" and _generated(form, device, None) is not None:
        return ("x", "w")
    return () if form.is_complex and _uses_gemm(form) else ("x",)


def products(form: NormalForm, device: Device) -> str:
    """Return what tensor cores multiply where they do it, else the accumulator's dtype."""
    return form.precision if _generated(form, device, None) is cuda_tensor else form.dtype


def run(
    form: NormalForm,
    x: Array,
    w: Array,
    out: Array,
    *,
    check: Check,
    memory_cap: int | None,
) -> None:
    """Fill ``out`` block by block; see `core.conv.algorithm.Run`."""
    family = _generated(form, device_of(x), memory_cap)
    if family is None:
        numpy_run(form, x, w, out, check)
    else:
        family.run(form, x, w, out, check=check, memory_cap=memory_cap)


def numpy_run(form: NormalForm, x: Array, w: Array, out: Array, check: Check) -> None:
    """Fill ``out`` with the operations of the array module."""
    size, images = _blocking(form)
    # The matrix product brings threads of its own.
    compute, workers = (_multiply, 1) if _uses_gemm(form) else (_accumulate, workers_for(x))

    def work(block: Block) -> None:
        inputs = read(
            x[block.images], form.first_input(block.at), form.span_of(block.size), form.dtype
        )
        compute(form, inputs, w, out[(block.images, slice(None), *block.positions)])

    for_each(work, blocks(form, size, images), check, workers)


def reads_parts(form: NormalForm) -> bool:
    """Return whether ``x`` may be an `Extended`: one channel is read block by block."""
    return form.in_channels == form.out_channels == 1


def taps(kernel: Shape) -> itertools.product[tuple[int, ...]]:
    """Iterate over the indices of a kernel's values."""
    return itertools.product(*map(range, kernel))


def shifted(form: NormalForm, inputs: Array, tap: Shape, size: Shape) -> Array:
    """Return the view of a block's inputs that ``tap`` multiplies, for ``size`` outputs."""
    return inputs[
        (
            ...,
            *(
                slice(r - t * d, r - t * d + (m - 1) * s + 1, s)
                for r, t, d, m, s in zip(
                    form.reach, tap, form.dilation, size, form.stride, strict=True
                )
            ),
        )
    ]


def accumulate(form: NormalForm, inputs: Array, w: Array, out: Array, product: Array) -> None:
    """Set ``out`` to the sum over ``w``'s taps of one channel; ``product`` is scratch."""
    xp = array_module(inputs)
    size = out.shape[out.ndim - form.ndim :]
    first = True
    for tap in taps(form.kernel):
        view = shifted(form, inputs, tap, size)
        if first:
            xp.multiply(view, w[tap], out=out)
            first = False
        else:
            xp.multiply(view, w[tap], out=product)
            xp.add(out, product, out=out)


def _accumulate(form: NormalForm, inputs: Array, w: Array, out: Array) -> None:
    # One input channel per group. The scratch arrays are contiguous whatever ``out`` is.
    xp = array_module(inputs)
    shape = (inputs.shape[0], *out.shape[2:])
    total, product = xp.empty(shape, form.dtype), xp.empty(shape, form.dtype)
    per_group = form.out_channels // form.groups
    for o in range(form.out_channels):
        accumulate(form, inputs[:, o // per_group], w[o, 0], total, product)
        out[:, o] = total


def _multiply(form: NormalForm, inputs: Array, w: Array, out: Array) -> None:
    # (outputs of the group, channels * taps) @ (channels * taps, positions), per image.
    xp = array_module(inputs)
    images, size = inputs.shape[0], out.shape[2:]
    per_group, channels = form.out_channels // form.groups, form.group_channels
    gathered = xp.empty((images, channels, form.taps, *size), form.dtype)
    for group in range(form.groups):
        source = inputs[:, group * channels : (group + 1) * channels]
        for index, tap in enumerate(taps(form.kernel)):
            gathered[:, :, index] = shifted(form, source, tap, size)
        rows = slice(group * per_group, (group + 1) * per_group)
        matrix = w[rows].reshape(per_group, -1)
        columns = gathered.reshape(images, channels * form.taps, -1)
        out[:, rows] = matmul(matrix, columns).reshape(images, per_group, *size)


@lru_cache(maxsize=4096)
def _generated(form: NormalForm, device: Device, memory_cap: int | None) -> Any:
    # The fastest family of generated kernels for the problem, where there is one.
    every: tuple[Any, ...] = ()
    if device.kind == "gpu":
        # Without a sum over channels, the first is the faster one of both.
        every = (cuda_direct,) if cuda_direct.supports(form) else (cuda_channels,)
        if form.precision in device.tensor:
            every += (cuda_tensor,)
    elif codegen.available():
        from core.conv.codegen import channels, channels_planes, single

        # One channel is read in parts, where it lies; channels are gathered from an array.
        every = (single,) if reads_parts(form) else (single, channels_planes, channels)
    families = [family for family in every if family.supports(form)]
    costs = [family.cost(form, device, memory_cap).seconds for family in families]
    return families[costs.index(min(costs))] if families else None


def _uses_gemm(form: NormalForm) -> bool:
    return form.group_channels > 1 or form.out_channels // form.groups >= _GEMM_CHANNELS


def _blocking(form: NormalForm) -> tuple[Shape, int]:
    # Positions per block, and images where one image is less than a block.
    if _uses_gemm(form):
        budget = _GATHER_BYTES // (form.itemsize * form.group_channels * form.taps)
        work = form.out_channels * form.group_channels * form.taps
    else:
        budget = _BLOCK_BYTES // form.itemsize
        work = form.out_channels * form.taps
    return cut(form, min(budget, _BLOCK_MULTIPLY_ADDS // work))


ALGORITHM = Algorithm(
    name="direct",
    summary="every tap at every output, block by block in the cache",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=carries_nonfinite,
    products=products,
    rounds=lambda form, device: device.kind == "gpu" and _generated(form, device, None) is not None,
    reads_parts=reads_parts,
    capturable=True,
)
