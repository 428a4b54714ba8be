"""`core.conv.conv` and its gradients for arrays whose last axis is the batch, as nets keep them.

With the methods of `METHODS` generated kernels read such arrays as they lie, a vector of images at
a time, on the calling thread alone: nets give each core images of its own, so calls come from
several threads at once. ``lanes`` computes every tap at every output, ``lanes-winograd`` fewer
products (`core.conv.algorithms.winograd`). The algorithms of the engine can be named too; they
see the arrays transposed. ``auto`` takes the faster of the first two where there are images to
fill lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np

from core.arrays import Array, array_module, is_on_gpu
from core.conv import codegen, gradients
from core.conv.algorithms import ALGORITHMS
from core.conv.blocks import Check, never
from core.conv.capturable import CAPTURABLE, is_capturable
from core.conv.functions import conv as conv_batch_first
from core.conv.normal import Shape
from core.conv.precision import Precision
from core.conv.problem import ConvProblem, multi_channel_problem
from core.errors import AlgorithmRefused

Steps = int | Sequence[int]

What = Literal["output", "input gradient", "weight gradient"]
LANES, TRANSFORMS = METHODS = ("lanes", "lanes-winograd")
_DTYPES = ("float32", "float64")
# Fewer images leave lanes empty, which the engine fills with patches of pictures; but preparing
# that takes longer than so many multiply-adds of one image.
_FEW_IMAGES = 8
_FEW_MULTIPLY_ADDS = 1 << 20


class _Options(NamedTuple):
    stride: int | Shape
    padding: int | Shape
    dilation: int | Shape
    groups: int


def conv(
    x: Array,
    w: Array,
    stride: Steps = 1,
    padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    precision: Precision = "float32",
    check: Check = never,
) -> Array:
    """Return `core.conv.conv` of ``x (C, *S, N)`` with ``w (O, C / groups, *K)``: ``(O, *out, N)``.

    Parameters
    ----------
    x, w : array
        Input and kernels. Kernels with lanes are of x's dtype, float32 or float64.
    stride, padding, dilation, groups
        As `core.conv.conv` takes them.
    method : str
        ``auto``, one of `METHODS`, or an algorithm of the engine.
    precision : {"float32", "tf32", "bfloat16"}
        What the engine may multiply in place of float32 numbers (`core.conv.precision`); lanes
        multiply the numbers as they are.
    check : callable, optional
        Called before the work, and during that of the engine; it raises to stop it.

    Raises
    ------
    InvalidInput
        Shapes do not fit together, or an argument is not acceptable.
    AlgorithmRefused
        The named method cannot do it.

    Examples
    --------
    >>> import numpy as np
    >>> conv(np.array([[[1.0], [2.0], [3.0]]]), np.array([[[1.0, 10.0]]]))
    array([[[21.],
            [32.]]])
    """
    options = _options(stride, padding, dilation, groups)
    if _can_take_lanes(method, x, w):
        from core.conv.codegen import batch_last

        problem = _problem(x.shape, w.shape, x.dtype, options)
        _check_transforms(method, problem, "output")
        if _is_worth_lanes(method, problem):
            check()
            found = batch_last.forward(problem, x, w, method)
            if not _missed(found, method, "w"):
                return found
    found = conv_batch_first(
        _first(x), w, *options, _engine(method, x), precision=precision, check=check
    )
    return _last(found)


def conv_input_gradient(
    dy: Array,
    w: Array,
    spatial: Sequence[int],
    stride: Steps = 1,
    padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    precision: Precision = "float32",
    check: Check = never,
) -> Array:
    """Return the gradient ``(C, *spatial, N)`` of `conv` with respect to its input.

    Parameters
    ----------
    dy : array of shape ``(O, *out, N)``
        The gradient with respect to the output.
    w : array of shape ``(O, C / groups, *K)``
        The kernels.
    spatial : sequence of int
        The input's spatial shape.
    stride, padding, dilation, groups, method, precision, check
        As they were given to `conv`; errors are its errors too.

    Examples
    --------
    >>> import numpy as np
    >>> conv_input_gradient(np.ones((1, 3, 1)), np.array([[[1.0, 10.0]]]), (4,))[..., 0]
    array([[ 1., 11., 11., 10.]])
    """
    options = _options(stride, padding, dilation, groups)
    shape = (w.shape[1] * groups, *spatial, dy.shape[-1])
    if _can_take_lanes(method, dy, w):
        from core.conv.codegen import batch_last

        problem = _problem(shape, w.shape, dy.dtype, options, dy.shape)
        _check_transforms(method, problem, "input gradient")
        if _is_worth_lanes(method, problem):
            check()
            found = batch_last.input_gradient(problem, dy, w, method)
            if not _missed(found, method, "w"):
                return found
    found = gradients.conv_input_gradient(
        _first(dy),
        w,
        (shape[-1], *shape[:-1]),
        *options,
        _engine(method, dy),
        precision=precision,
        check=check,
    )
    return _last(found)


def conv_weight_gradient(
    x: Array,
    dy: Array,
    kernel: Sequence[int],
    stride: Steps = 1,
    padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    precision: Precision = "float32",
    check: Check = never,
) -> Array:
    """Return the gradient ``(O, C / groups, *kernel)`` of `conv` with respect to its kernels.

    Parameters
    ----------
    x : array of shape ``(C, *S, N)``
        The input.
    dy : array of shape ``(O, *out, N)``
        The gradient with respect to the output.
    kernel : sequence of int
        The kernels' spatial shape.
    stride, padding, dilation, groups, method, precision, check
        As they were given to `conv`; errors are its errors too.

    Examples
    --------
    >>> import numpy as np
    >>> x, dy = np.array([[[1.0], [2.0], [3.0]]]), np.ones((1, 2, 1))
    >>> conv_weight_gradient(x, dy, (2,))
    array([[[3., 5.]]])
    """
    options = _options(stride, padding, dilation, groups)
    shape = (dy.shape[0], x.shape[0] // groups, *kernel)
    if _can_take_lanes(method, x, dy):
        from core.conv.codegen import batch_last

        problem = _problem(x.shape, shape, x.dtype, options, dy.shape)
        _check_transforms(method, problem, "weight gradient")
        if _is_worth_lanes(method, problem):
            check()
            found = batch_last.weight_gradient(problem, x, dy, method)
            if not _missed(found, method, "dy"):
                return found
    found = gradients.conv_weight_gradient(
        _first(x), _first(dy), shape, *options, _engine(method, x), precision=precision, check=check
    )
    return array_module(found).ascontiguousarray(found)


def problem_of(
    x_shape: Shape,
    w_shape: Shape,
    dtype: np.dtype[Any],
    stride: Steps = 1,
    padding: Steps = 0,
    dilation: Steps = 1,
    groups: int = 1,
) -> ConvProblem:
    """Return the problem of `conv` for arrays of these shapes, as the engine states it.

    Examples
    --------
    >>> problem_of((3, 8, 8, 16), (4, 3, 3, 3), np.dtype("float32")).normal.batch
    16
    """
    return _problem(x_shape, w_shape, dtype, _options(stride, padding, dilation, groups))


def _options(stride: Steps, padding: Steps, dilation: Steps, groups: int) -> _Options:
    return _Options(_hashable(stride), _hashable(padding), _hashable(dilation), groups)


def _hashable(steps: Steps) -> int | Shape:
    return steps if isinstance(steps, int) else tuple(steps)


def _can_take_lanes(method: str, x: Array, other: Array) -> bool:
    # Refuses where lanes are named and cannot be.
    if method not in ("auto", *METHODS):
        return False
    reason = _refusal(x, other)
    if reason is not None and method in METHODS:
        raise _refusing(method, reason)
    return reason is None


def _engine(method: str, x: Array) -> str:
    return CAPTURABLE if method == "auto" and is_on_gpu(x) and is_capturable() else method


def _check_transforms(method: str, problem: ConvProblem, what: What) -> None:
    if method == TRANSFORMS:
        from core.conv.codegen import batch_last

        reason = batch_last.refuses_transforms(problem, what)
        if reason is not None:
            raise _refusing(method, reason)


def _is_worth_lanes(method: str, problem: ConvProblem) -> bool:
    form = problem.normal
    return (
        method in METHODS
        or form.batch >= _FEW_IMAGES
        or form.multiply_adds // form.batch <= _FEW_MULTIPLY_ADDS
    )


def _refusal(x: Array, other: Array) -> str | None:
    if type(x) is not np.ndarray or type(other) is not np.ndarray:
        return "its kernels are for NumPy's arrays"
    if x.dtype != other.dtype or x.dtype.name not in _DTYPES or not x.dtype.isnative:
        return f"its kernels are for float32 and float64, not {x.dtype} with {other.dtype}"
    if not codegen.available():
        return "kernels cannot be generated here"
    return None


def _missed(found: Array | None, method: str, field: str) -> bool:
    # Zeros outside of the input must not meet what is not finite: there is nothing.
    if found is None and method == LANES:
        raise _refusing(method, f"{field} is not finite, and the input is padded")
    if found is None and method == TRANSFORMS:
        raise _refusing(method, "transforms would spread what is not finite")
    return found is None


def _refusing(method: str, reason: str) -> AlgorithmRefused:
    return AlgorithmRefused(
        f"{method} refuses: {reason}",
        field="method",
        given=method,
        accepted=["auto", *METHODS, *(algorithm.name for algorithm in ALGORITHMS)],
    )


@lru_cache(maxsize=1024)
def _problem(
    x_shape: Shape,
    w_shape: Shape,
    dtype: np.dtype[Any],
    options: _Options,
    dy_shape: Shape | None = None,
) -> ConvProblem:
    # The problem as the engine states it, batch first.
    shape = (x_shape[-1], *x_shape[:-1])
    problem = multi_channel_problem(shape, w_shape, dtype, dtype, **options._asdict())
    if dy_shape is not None:
        gradients.check_shape((dy_shape[-1], *dy_shape[:-1]), problem)
    return problem


def _first(x: Array) -> Array:
    xp = array_module(x)
    return xp.ascontiguousarray(xp.moveaxis(x, -1, 0))


def _last(x: Array) -> Array:
    xp = array_module(x)
    return xp.ascontiguousarray(xp.moveaxis(x, 0, -1))
