"""From the user's arrays through one algorithm to the user's result."""

from __future__ import annotations

import numpy as np

from core.arrays import Array, array_module, dtype_name, is_on_gpu
from core.conv import integers, nonfinite
from core.conv.algorithm import Algorithm
from core.conv.blocks import Check
from core.conv.boundary import Extended
from core.conv.device import device_of
from core.conv.fixed import FixedKernel
from core.conv.problem import ConvProblem
from core.errors import IntegerOverflow


def execute(
    problem: ConvProblem,
    algorithm: Algorithm,
    x: Array,
    w: Array | FixedKernel,
    target: Array | None = None,
    *,
    check: Check,
    memory_cap: int | None,
) -> Array:
    """Compute ``problem``, whose ``bits`` and ``rank`` describe ``x`` and ``w``.

    Parameters
    ----------
    problem, algorithm, x, w, check, memory_cap
        See `core.conv.convolve`.
    target : array, optional
        Where the result goes, in its normal form: `ConvProblem.target` of the user's array.

    Raises
    ------
    IntegerOverflow
        An output does not fit the result's dtype, or might not fit any that a GPU has.
    """
    form = problem.normal
    if is_on_gpu(x) and form.dtype == "object":
        raise IntegerOverflow(
            f"outputs may need {form.bits} bits, and a GPU's integers have 64",
            field="dtype",
            given=problem.dtype,
            accepted="inputs of a wider type: float64 holds them rounded; or arrays of the host",
        )
    inputs, weights = problem.to_normal(x, w.beside(x) if isinstance(w, FixedKernel) else w)
    if isinstance(inputs, Extended) and not algorithm.reads_parts(form):
        inputs = np.asarray(inputs)
    if target is None:
        own = problem.dtype == "float16" and algorithm.rounds(form, device_of(x))
        out = array_module(x).empty(form.out_shape, problem.dtype if own else form.dtype)
    else:
        out = target
    # What the algorithm may take is what the result and the extended input leave.
    cap = None if memory_cap is None else memory_cap - fixed_bytes(problem, algorithm)
    if isinstance(w, FixedKernel) and is_on_gpu(x):
        with w.used_as(weights, problem.operation):
            nonfinite.run(algorithm, form, inputs, weights, out, check=check, memory_cap=cap)
    else:
        nonfinite.run(algorithm, form, inputs, weights, out, check=check, memory_cap=cap)
    if form.bits is not None:
        out = integers.to_dtype(out, problem.dtype, form.bits)
    elif form.dtype != problem.dtype and dtype_name(out.dtype) != problem.dtype:
        with np.errstate(over="ignore"):
            out = out.astype(problem.dtype)
    return problem.from_normal(out)


def fixed_bytes(problem: ConvProblem, algorithm: Algorithm) -> int:
    """Return the bytes beside the algorithm's own: the result, and an extended copy of ``x``."""
    extended = 0 if algorithm.reads_parts(problem.normal) else problem.extended_bytes
    return problem.result_bytes + extended
