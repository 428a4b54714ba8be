"""Gradients of `core.conv.conv`, for training: each is a convolution again, planned as such.

For ``y = conv(x, w)`` and a loss whose gradient with respect to ``y`` is ``dy``::

    dx[n, c, s * i + d * t - p] += dy[n, o, i] * w[o, c, t]
    dw[o, c, t] = sum over n and i of  dy[n, o, i] * x[n, c, s * i + d * t - p]

with stride ``s``, dilation ``d`` and padding ``p``. The first is a convolution of ``dy`` with the
kernels reversed and the roles of their channels exchanged; with a stride, one for each residue of
the position, each with the taps that reach it. The second is a convolution of ``x`` whose kernels
are ``dy``, the batch being the channels that are summed (V. Dumoulin and F. Visin, "A guide to
convolution arithmetic for deep learning", 2016).

On GPUs that have it, cuDNN makes a gradient at once where that is predicted to be faster.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.arrays import Array, array_module, is_on_gpu
from core.conv.algorithms import by_name, cudnn
from core.conv.blocks import Check, never
from core.conv.capturable import CAPTURABLE, is_capturable
from core.conv.cuda.cudnn import What
from core.conv.device import device_of
from core.conv.execute import execute
from core.conv.nonfinite import peak
from core.conv.normal import NormalForm, Shape, read
from core.conv.plan import make_plan
from core.conv.problem import ConvProblem, multi_channel_problem
from core.errors import InvalidInput


def conv_input_gradient(
    dy: Array,
    w: Array,
    x_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    precision: str = "float32",
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Return the gradient of a loss with respect to the input of `conv`.

    Parameters
    ----------
    dy : array of shape ``(N, O, *out)``
        The gradient with respect to ``conv(x, w, stride, padding, dilation, groups)``:
        floating-point or complex numbers.
    w : array of shape ``(O, C / groups, *K)``
        The kernels.
    x_shape : sequence of int
        The shape ``(N, C, *S)`` of the input.
    stride, padding, dilation, groups
        As they were given to `conv`.
    method, precision, memory_cap, check
        See `core.conv.convolve`; ``memory_cap`` bounds each of the convolutions.

    Returns
    -------
    array of shape ``x_shape``
        Of dtype ``numpy.result_type(dy, w)``; complex kernels are not conjugated.

    Raises
    ------
    InvalidInput
        Shapes do not fit together, or an argument is not acceptable.
    AlgorithmRefused, TooLarge
        As `core.conv.convolve` does.

    Examples
    --------
    >>> import numpy as np
    >>> dy, w = np.ones((1, 1, 3)), np.array([[[1.0, 10.0]]])
    >>> conv_input_gradient(dy, w, (1, 1, 4))
    array([[[ 1., 11., 11., 10.]]])
    """
    forward = _forward(dy, x_shape, w.shape, stride, padding, dilation, groups)
    form, xp = forward.normal, array_module(dy)
    # Exchange the roles of a kernel's channels, group by group; and reverse it.
    per_group = form.out_channels // form.groups
    swapped = w.reshape(form.groups, per_group, *w.shape[1:]).swapaxes(1, 2)
    swapped = swapped.reshape(form.in_channels, per_group, *form.kernel)
    dx = xp.zeros(forward.x_shape, xp.result_type(dy, w))
    parts = []
    residues = (range(min(s, n)) for s, n in zip(form.stride, form.spatial, strict=True))
    for residue in itertools.product(*residues):
        axes = [_residue(forward, axis, r) for axis, r in enumerate(residue)]
        if not all(axis.taps for axis in axes):
            continue
        kernels = swapped[(..., *(slice(a.taps.start, None, a.taps.step) for a in axes))]
        first, length = tuple(a.first for a in axes), tuple(a.length for a in axes)
        around = _padding(dy.shape, first, length)
        problem = multi_channel_problem(
            (*dy.shape[:2], *length) if around is None else dy.shape,
            kernels.shape,
            dy.dtype,
            w.dtype,
            padding=0 if around is None else around,
            dilation=tuple(a.dilation for a in axes),
            groups=form.groups,
            precision=precision,
        )
        target = (..., *(slice(r, None, s) for r, s in zip(residue, form.stride, strict=True)))
        parts.append((problem, kernels, first, target))
    problems = [problem for problem, *_ in parts]
    whole = _for_cudnn("input gradient", forward, dy, w, precision, problems, method, memory_cap)
    if whole is not None:
        cudnn.input_gradient(whole, dy, w, dx, check=check, memory_cap=memory_cap)
        return dx
    for problem, kernels, first, target in parts:
        inputs = dy
        if problem.padding == (0,) * form.ndim:
            inputs = read(dy, first, problem.spatial, dy.dtype.name)
        reversed_kernels = kernels[(..., *(slice(None, None, -1),) * form.ndim)]
        dx[target] = _computed(problem, inputs, reversed_kernels, method, memory_cap, check)
    return dx


def conv_weight_gradient(
    x: Array,
    dy: Array,
    w_shape: Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    precision: str = "float32",
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Return the gradient of a loss with respect to the kernels of `conv`.

    Parameters
    ----------
    x : array of shape ``(N, C, *S)``
        The input.
    dy : array of shape ``(N, O, *out)``
        The gradient with respect to ``conv(x, w, stride, padding, dilation, groups)``:
        floating-point or complex numbers.
    w_shape : sequence of int
        The shape ``(O, C / groups, *K)`` of the kernels.
    stride, padding, dilation, groups
        As they were given to `conv`.
    method, precision, memory_cap, check
        See `core.conv.convolve`.

    Returns
    -------
    array of shape ``w_shape``
        Of dtype ``numpy.result_type(x, dy)``; complex inputs are not conjugated.

    Raises
    ------
    InvalidInput
        Shapes do not fit together, or an argument is not acceptable.
    AlgorithmRefused, TooLarge
        As `core.conv.convolve` does.

    Examples
    --------
    >>> import numpy as np
    >>> x, dy = np.array([[[1.0, 2.0, 3.0]]]), np.ones((1, 1, 2))
    >>> conv_weight_gradient(x, dy, (1, 1, 2))
    array([[[3., 5.]]])
    """
    forward = _forward(dy, x.shape, w_shape, stride, padding, dilation, groups)
    form = forward.normal
    # The steps between outputs and those between taps exchange their roles.
    steps = [forward.dilation, forward.padding, forward.stride]
    if form.groups > 1 and form.group_channels == 1:
        # Each channel by itself: the batch becomes an axis along which all is summed.
        inputs, kernels = x.swapaxes(0, 1)[None], dy.swapaxes(0, 1)[:, None]
        steps = [(own, *values) for own, values in zip((1, 0, 1), steps, strict=True)]
    else:
        # The batch becomes the channels that are summed, a group's channels the batch.
        by_group = x.reshape(form.batch, form.groups, form.group_channels, *form.spatial)
        inputs = by_group.swapaxes(0, 2).reshape(form.group_channels, -1, *form.spatial)
        kernels = dy.swapaxes(0, 1)
    stride_of, padding_of, dilation_of = steps
    problem = multi_channel_problem(
        inputs.shape,
        kernels.shape,
        x.dtype,
        dy.dtype,
        stride=stride_of,
        padding=padding_of,
        dilation=dilation_of,
        groups=form.groups,
        precision=precision,
    )
    whole = _for_cudnn("kernel gradient", forward, x, dy, precision, [problem], method, memory_cap)
    if whole is not None:
        xp = array_module(x)
        dw = xp.empty(tuple(w_shape), xp.result_type(x, dy))
        cudnn.kernel_gradient(whole, x, dy, dw, check=check, memory_cap=memory_cap)
        return dw
    found = _computed(problem, inputs, kernels, method, memory_cap, check)
    by_kernel = found[0] if len(problem.spatial) > form.ndim else found.swapaxes(0, 1)
    # Inputs that no output reaches may let the kernel seem longer than it is.
    return by_kernel[(..., *(slice(k) for k in form.kernel))]


def _for_cudnn(
    what: What,
    forward: ConvProblem,
    first: Array,
    second: Array,
    precision: str,
    others: Sequence[ConvProblem],
    method: str,
    memory_cap: int | None,
) -> NormalForm | None:
    # The convolution of which cuDNN makes a gradient from two arrays, in place of other
    # convolutions; None if it does not. It puts zeros around the first array, which must not meet
    # what is not finite.
    if not is_on_gpu(first) or method not in ("auto", CAPTURABLE, cudnn.ALGORITHM.name):
        return None
    device = device_of(first)
    form = _precise(forward, first, second, precision)
    cost = cudnn.gradient_cost(form, what, device, memory_cap)
    if isinstance(cost, str):
        return None
    if method != cudnn.ALGORITHM.name:
        plans = [make_plan(problem, device, method, memory_cap) for problem in others]
        # Where cuDNN would do the convolutions, it does rather what it has for the purpose: its
        # kernels for convolutions are made for short ones.
        by_others = all(plan.chosen != cudnn.ALGORITHM.name for plan in plans)
        if by_others and cost.seconds >= sum(plan.candidate.expected for plan in plans):
            return None
    return form if is_capturable() or math.isfinite(peak(second)) else None


def _precise(forward: ConvProblem, first: Array, second: Array, precision: str) -> NormalForm:
    # The convolution with the dtypes that are multiplied for its gradient.
    return multi_channel_problem(
        forward.x_shape,
        forward.w_shape,
        first.dtype,
        second.dtype,
        stride=forward.stride,
        padding=forward.padding,
        dilation=forward.dilation,
        groups=forward.groups,
        precision=precision,
    ).normal


def _computed(
    problem: ConvProblem, x: Array, w: Array, method: str, memory_cap: int | None, check: Check
) -> Array:
    # Gradients are never of low rank: nothing about their values is worth learning.
    plan = make_plan(problem, device_of(x), method, memory_cap)
    return execute(plan.problem, by_name(plan.chosen), x, w, check=check, memory_cap=memory_cap)


@dataclass(frozen=True)
class _Residue:
    # The inputs ``residue, residue + stride, ...`` of one axis: the taps that reach them, and
    # which outputs those read: ``first`` to ``first + length``, ``dilation`` apart.
    taps: range
    first: int
    length: int
    dilation: int


def _residue(forward: ConvProblem, axis: int, residue: int) -> _Residue:
    # Input s * q + r hears of output i by tap t where s * i = s * q + r + p - d * t.
    s, p, d = forward.stride[axis], forward.padding[axis], forward.dilation[axis]
    k, n = forward.kernel[axis], forward.spatial[axis]
    reaching = [t for t in range(k) if (residue + p - d * t) % s == 0]
    if not reaching:
        return _Residue(range(0), 0, 0, 1)
    taps = range(reaching[0], k, s // math.gcd(s, d))
    apart = d // math.gcd(s, d)
    first = (residue + p - d * taps[-1]) // s
    inputs = -(-(n - residue) // s)
    return _Residue(taps, first, inputs + apart * (len(taps) - 1), apart)


def _padding(shape: Shape, first: Shape, length: Shape) -> Shape | None:
    # That makes of ``dy`` what begins at ``first``, with zeros outside; None where none does.
    before = tuple(-f for f in first)
    after = tuple(f + m - n for f, m, n in zip(first, length, shape[2:], strict=True))
    return before if before == after and min(before) >= 0 else None


def _forward(
    dy: Array,
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: int | Sequence[int],
    padding: int | Sequence[int],
    dilation: int | Sequence[int],
    groups: int,
) -> ConvProblem:
    if dy.dtype.kind not in "fc":
        raise InvalidInput(
            "gradients are no integers",
            field="dy",
            given=str(dy.dtype),
            accepted="floating-point and complex numbers",
        )
    problem = multi_channel_problem(
        x_shape,
        w_shape,
        dy.dtype,
        dy.dtype,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    check_shape(dy.shape, problem)
    return problem


def check_shape(dy_shape: Shape, problem: ConvProblem) -> None:
    """Refuse the gradient with respect to a result that has another shape."""
    if dy_shape != problem.out_shape:
        raise InvalidInput(
            "does not have the shape of conv's result",
            field="dy",
            given=dy_shape,
            accepted=str(problem.out_shape),
        )
