"""A convolution, with its bias and a rectifier after it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from core.conv.batch_last import problem_of
from core.conv.codegen import batch_last
from core.conv.codegen.batch_last_epilogue import Epilogue
from core.conv.codegen.batch_last_pointwise import kernel
from core.conv.codegen.calls import Call
from core.conv.problem import ConvProblem
from core.nets.graph import Node
from core.nets.layers.conv import ConvSpec, window_of
from core.nets.program.unit import Form, Place, Raw, Unit


def build(nodes: tuple[Node, ...], groups: Sequence[int], dtype: str) -> Unit:
    """Return the unit of a convolution, or of one and the rectifier that reads it.

    The rectifier's gradient goes to scratch memory first, from where the gradients of weights and
    input read it.
    """
    node, rectified = nodes[0], len(nodes) > 1
    spec, itemsize = node.spec, np.dtype(dtype).itemsize
    assert isinstance(spec, ConvSpec)
    epilogue = Epilogue(spec.bias, rectified)
    channels, positions = node.shape[0], math.prod(node.shape[1:])
    problems = {images: _problem(node, images, dtype) for images in groups}
    outputs = {n: batch_last.output_plan(problem, epilogue) for n, problem in problems.items()}
    inputs = {n: batch_last.input_plan(problem) for n, problem in problems.items() if node.wanted}
    # How their results lie depends on the kernel, so all groups have the same one.
    of_weights = batch_last.weights_plans(list(problems.values()))
    weights = dict(zip(problems, of_weights, strict=True))
    raw = {"weight": Raw(of_weights[0].padded, of_weights[0].finished)}
    if spec.bias:
        raw["bias"] = Raw((channels,), np.asarray)
    masked = max(groups) * channels * positions * itemsize if rectified else 0
    plans = (*outputs.values(), *inputs.values(), *of_weights)

    def forward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        plan = outputs[at.images]
        weight, bias = at.weights["weight"], at.weights.get("bias", 0)
        return [plan.call(at.xs[0], weight, at.y, at.flag, bias, at.scratch, at.images)]

    def backward(places: Sequence[Place]) -> list[Call]:
        (at,) = places
        numbers, slope, rest = positions * at.images, at.dy, at.scratch + masked
        calls: list[Call] = []
        if rectified:
            slope = at.scratch
            if spec.bias:
                arguments = at.y, at.dy, slope, at.gradients["bias"], channels, numbers
                calls.append((kernel("mask_sum", dtype), arguments))
            else:
                calls.append((kernel("mask", dtype), (at.y, at.dy, slope, channels * numbers)))
        elif spec.bias:
            calls.append((kernel("sum", dtype), (slope, at.gradients["bias"], channels, numbers)))
        into = at.gradients["weight"]
        # Some kernels add to what is there, from the step before.
        calls.append((kernel("fill", dtype), (into, math.prod(raw["weight"].shape))))
        calls.append(weights[at.images].call(at.xs[0], slope, into, rest, at.images))
        if node.wanted:
            plan, weight = inputs[at.images], at.weights["weight"]
            calls.append(plan.call(slope, weight, at.dxs[0], at.flag, 0, rest, at.images))
        return calls

    return Unit(
        nodes,
        forward,
        backward,
        reads=frozenset("xy" if rectified else "x"),
        raw=raw,
        scratch=masked + max(plan.bytes for plan in plans),
    )


def takes(node: Node) -> bool:
    """Return whether the choice of the algorithm is left to the engine."""
    return not isinstance(node.spec, ConvSpec) or node.spec.method == "auto"


def _problem(node: Node, images: int, dtype: str) -> ConvProblem:
    spec = node.spec
    assert isinstance(spec, ConvSpec)
    window = window_of(spec, node.incoming[0])
    return problem_of(
        (*node.incoming[0], images),
        node.parameters["weight"].shape,
        np.dtype(dtype),
        window.stride,
        window.padding,
        window.dilation,
        spec.groups,
    )


FORMS = (Form(("conv", "relu"), takes, build), Form(("conv",), takes, build))
