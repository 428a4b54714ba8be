"""The definition, output by output, in Python's own numbers: slow and obviously right."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from core.arrays import Array, array_module, to_numpy
from core.conv.algorithm import Algorithm, Cost
from core.conv.blocks import Check
from core.conv.device import Device
from core.conv.normal import NormalForm, Shape

_SECONDS_PER_MULTIPLY_ADD = 3e-7
_OUTPUTS_BETWEEN_CHECKS = 256


def refuses(form: NormalForm) -> str | None:
    """Return ``None``: the definition covers every problem."""
    return None


def cost(form: NormalForm, device: Device, memory_cap: int | None) -> Cost:
    """Python's speed, whatever the device."""
    return Cost(1e-4 + form.multiply_adds * _SECONDS_PER_MULTIPLY_ADD, 0)


def error_bound(form: NormalForm) -> float:
    """Bound sums in double precision that are rounded once to the accumulator."""
    double = float(np.finfo("float64").eps) / 2
    return form.unit_roundoff + form.taps * form.group_channels * double


def run(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    """Loop over outputs, channels and taps; see `core.conv.algorithm.Run`."""
    kind = np.dtype(form.dtype).kind
    number: type[Any] = {"f": float, "c": complex}.get(kind, int)
    inputs, weights = to_numpy(x), to_numpy(w)
    result = np.empty(form.out_shape, form.dtype)
    with np.errstate(over="ignore"):
        for count, index in enumerate(np.ndindex(*form.out_shape)):
            if count % _OUTPUTS_BETWEEN_CHECKS == 0:
                check()
            result[index] = _output(form, inputs, weights, index, number)
    out[...] = array_module(x).asarray(result)


def _output(form: NormalForm, x: Array, w: Array, index: Shape, number: type[Any]) -> Any:
    n, o, *position = index
    group = o // (form.out_channels // form.groups)
    total = number(0)
    for channel in range(form.group_channels):
        for tap in itertools.product(*map(range, form.kernel)):
            at = tuple(
                start + stride * i - dilation * t
                for start, stride, i, dilation, t in zip(
                    form.start, form.stride, position, form.dilation, tap, strict=True
                )
            )
            # Outside is nothing at all, not zero: zero times infinity would be NaN.
            if all(0 <= a < size for a, size in zip(at, form.spatial, strict=True)):
                c = group * form.group_channels + channel
                total += number(x[(n, c, *at)]) * number(w[(o, channel, *tap)])
    return total


ALGORITHM = Algorithm(
    name="reference",
    summary="the definition, in plain loops; for tests",
    refuses=refuses,
    cost=cost,
    error_bound=error_bound,
    run=run,
    carries_nonfinite=lambda form, device: ("x", "w"),
)
