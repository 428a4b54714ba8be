"""Convolution of batch-last arrays and its gradients by generated kernels, on the calling thread.

Everything that follows from the problem is worked out once: a call finds its scratch memory and
runs one kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from core.conv.algorithms import winograd
from core.conv.codegen import (
    batch_last_direct,
    batch_last_layer,
    batch_last_transformed,
    batch_last_weights,
    batch_last_weights_transformed,
)
from core.conv.codegen.batch_last_direct import Direct
from core.conv.codegen.batch_last_epilogue import Epilogue
from core.conv.codegen.batch_last_layer import Layer
from core.conv.codegen.batch_last_memory import Real
from core.conv.codegen.batch_last_transformed import Transformed
from core.conv.codegen.batch_last_weights import Products
from core.conv.codegen.batch_last_weights_transformed import TransformedProducts
from core.conv.problem import ConvProblem

What: TypeAlias = Literal["output", "input gradient", "weight gradient"]
_Plan: TypeAlias = Callable[[Real, Real], Real | None]


def forward(problem: ConvProblem, x: Real, w: Real, method: str) -> Real | None:
    """Return the convolution of ``x (C, *S, N)`` with ``w (O, C / groups, *K)``.

    None where the method cannot say what becomes of values that are not finite: zeros around the
    input would have met weights that are not, or transforms have spread what is not.
    """
    return _first(_forward(problem, method), x, w)


def input_gradient(problem: ConvProblem, dy: Real, w: Real, method: str) -> Real | None:
    """Return the gradient ``(C, *S, N)`` with respect to the input; None as in `forward`."""
    return _first(_backward(problem, method), dy, w)


def weight_gradient(problem: ConvProblem, x: Real, dy: Real, method: str) -> Real | None:
    """Return the gradient ``(O, C / groups, *K)`` with respect to the kernels.

    None as in `forward`, with ``dy`` in the place of the weights.
    """
    return _first(_weights(problem, method), x, dy)


def output_plan(problem: ConvProblem, epilogue: Epilogue) -> Direct | Transformed:
    """Return the fastest kernel of a convolution, for values that are finite, to be called."""
    layer = batch_last_layer.forward(problem)
    if _is_faster_transformed(problem, layer, "output", batch_last_transformed):
        return batch_last_transformed.plan(layer, _vectors(problem, layer), epilogue)
    return batch_last_direct.plan(layer, epilogue)


def input_plan(problem: ConvProblem) -> Direct | Transformed:
    """Return the fastest kernel of the gradient with respect to the input, as `output_plan`."""
    layer = batch_last_layer.backward(problem)
    if _is_faster_transformed(problem, layer, "input gradient", batch_last_transformed):
        return batch_last_transformed.plan(layer, _vectors(problem, layer))
    return batch_last_direct.plan(layer)


def weights_plans(problems: Sequence[ConvProblem]) -> list[Products | TransformedProducts]:
    """Return a kernel of the gradient with respect to the kernels for each, as `output_plan`.

    The problems differ in the batch only. The kernel is that which is fastest for the first one,
    so that results can be added before they are finished.
    """
    first, module = problems[0], batch_last_weights_transformed
    layer = batch_last_layer.forward(first)
    if _is_faster_transformed(first, layer, "weight gradient", module):
        return [module.plan(layer, _vectors(problem, layer)) for problem in problems]
    return [batch_last_weights.plan(layer)] * len(problems)


def refuses_transforms(problem: ConvProblem, what: What) -> str | None:
    """Return why Winograd's algorithm cannot do it, or None."""
    form = problem.normal
    if what == "input gradient":
        form = replace(form, in_channels=form.out_channels, out_channels=form.in_channels)
    lanes = batch_last_layer.lanes(form.dtype)
    if what == "weight gradient" and form.out_channels // form.groups % lanes:
        return f"output channels of a group must be a multiple of {lanes}, to fill lanes"
    return winograd.refuses(form)


def _first(plans: tuple[_Plan, ...], x: Real, w: Real) -> Real | None:
    for plan in plans:
        found = plan(x, w)
        if found is not None:
            return found
    return None


@lru_cache(maxsize=1024)
def _forward(problem: ConvProblem, method: str) -> tuple[_Plan, ...]:
    layer, transformed = batch_last_layer.forward(problem), batch_last_transformed
    return _plans(problem, layer, method, "output", batch_last_direct, transformed)


@lru_cache(maxsize=1024)
def _backward(problem: ConvProblem, method: str) -> tuple[_Plan, ...]:
    layer, transformed = batch_last_layer.backward(problem), batch_last_transformed
    return _plans(problem, layer, method, "input gradient", batch_last_direct, transformed)


@lru_cache(maxsize=1024)
def _weights(problem: ConvProblem, method: str) -> tuple[_Plan, ...]:
    layer, transformed = batch_last_layer.forward(problem), batch_last_weights_transformed
    return _plans(problem, layer, method, "weight gradient", batch_last_weights, transformed)


def _plans(
    problem: ConvProblem,
    layer: Layer,
    method: str,
    what: What,
    direct: Any,
    transformed: Any,
) -> tuple[_Plan, ...]:
    # After the fastest comes the fastest that knows what to do with what is not finite.
    if method == "lanes-winograd":
        return (transformed.plan(layer, _vectors(problem, layer)),)
    if method == "auto" and _is_faster_transformed(problem, layer, what, transformed):
        return transformed.plan(layer, _vectors(problem, layer)), direct.plan(layer)
    return (direct.plan(layer),)


def _is_faster_transformed(problem: ConvProblem, layer: Layer, what: What, module: Any) -> bool:
    return refuses_transforms(problem, what) is None and bool(
        module.is_faster(layer, _vectors(problem, layer))
    )


def _vectors(problem: ConvProblem, layer: Layer) -> int:
    return -(-problem.normal.batch // batch_last_layer.lanes(layer.dtype))
