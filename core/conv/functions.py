"""The engine's public functions: convolve, correlate, conv, convolve_bank and their plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.arrays import Array, common_module
from core.conv.arguments import as_array, check_one_of, known_dtype
from core.conv.blocks import Check, never
from core.conv.device import Device, cpu, device_of
from core.conv.fixed import FixedKernel
from core.conv.measure import MEASURE, measure
from core.conv.plan import Plan, compute, make_plan, wants_rank
from core.conv.problem import (
    ConvProblem,
    Operation,
    multi_channel_problem,
    single_channel_problem,
)
from core.conv.values import learn
from core.errors import InvalidInput

_OPTIONS = {
    "convolve": ("mode", "boundary", "cval", "axes", "bank", "precision"),
    "correlate": ("mode", "boundary", "cval", "axes", "bank", "precision"),
    "conv": ("stride", "padding", "dilation", "groups", "precision"),
}


def convolve(
    x: Any,
    kernel: Any,
    mode: str = "full",
    boundary: str = "zero",
    method: str = "auto",
    cval: complex = 0,
    axes: int | Sequence[int] | None = None,
    *,
    precision: str = "float32",
    out: Array | None = None,
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Convolve ``x`` with ``kernel``.

    Parameters
    ----------
    x : array of any number of axes
        Integers of any width, float16, float32, float64, complex64 or complex128; truth values
        count as 0 and 1 beside a kernel of numbers, and the other way round. A
        memory-mapped array is read piece by piece where the boundary is zero.
    kernel : array or FixedKernel
        As many axes as ``x``; or as many as ``axes``; or as many as ``x`` with length 1 on the
        axes that are not convolved. One for many inputs on a GPU is better fixed
        (`core.conv.FixedKernel`).
    mode : {"full", "same", "valid"}
        Every output (``n + k - 1`` per axis); as many as ``x``, centred; or those that need
        nothing from outside (``|n - k| + 1``).
    boundary : {"zero", "constant", "reflect", "mirror", "nearest", "wrap"}
        What lies outside of ``x``:

        ======== ======================= =========================================
        name     ``x`` = ``a b c d``     agrees with, for mode same
        ======== ======================= =========================================
        zero     nothing                 ``scipy.signal.convolve``, all modes
        constant ``k k | a b c d | k k`` ``scipy.ndimage.convolve``, ``cval=k``
        reflect  ``b a | a b c d | d c`` ``scipy.ndimage.convolve``
        mirror   ``c b | a b c d | c b`` ``scipy.ndimage.convolve``
        nearest  ``a a | a b c d | d d`` ``scipy.ndimage.convolve``
        wrap     ``c d | a b c d | a b`` ``scipy.ndimage.convolve``
        ======== ======================= =========================================

        A kernel of even length ``k`` is centred at ``(k - 1) // 2`` with zero (as
        `scipy.signal`) and at ``k // 2`` with the others (as `scipy.ndimage`).
    method : str
        ``auto`` takes the fastest by what was measured or else is predicted; ``measure`` times
        the candidates first and remembers, in `Settings().cache_dir`; or the name of an algorithm.
    cval : number
        The value outside for boundary constant.
    axes : int or sequence of int, optional
        The axes to convolve; the others are batch. All by default.
    precision : {"float32", "tf32", "bfloat16"}
        What float32 numbers may be rounded to before they are multiplied: to nothing less; to
        eleven significant bits; or to eight. Sums are float32. It allows what a device is faster
        with and asks for nothing: processors multiply float32 numbers.
    out : array, optional
        Where the result goes, of its shape and dtype and contiguous, with the convolved axes
        last; it may be memory-mapped. By default a new array.
    memory_cap : int, optional
        Bytes that working memory and result may take together; a result that goes to ``out`` does
        not count.
    check : callable, optional
        Called often while the work runs; it raises to stop it.

    Returns
    -------
    array
        On the device of ``x``, of dtype ``numpy.result_type(x, kernel)``. NaN and infinity reach
        the outputs that the sum of products lets them reach; outside of ``x`` with boundary zero
        there is nothing for them to meet.

    Raises
    ------
    InvalidInput
        An argument is not acceptable.
    IntegerOverflow
        The exact result does not fit its integer dtype.
    AlgorithmRefused
        The named method cannot solve the problem.
    TooLarge
        No algorithm stays below ``memory_cap``.

    Examples
    --------
    >>> convolve([1.0, 2.0, 3.0], [1.0, 1.0])
    array([1., 3., 5., 3.])
    >>> convolve(np.array([1, 2, 3]), np.array([1, 1, 1]), mode="same", boundary="nearest")
    array([4, 6, 8])
    """
    x, w = _pair(x, kernel)
    problem = single_channel_problem(
        x.shape,
        w.shape,
        x.dtype,
        w.dtype,
        mode=mode,
        boundary=boundary,
        cval=cval,
        axes=axes,
        precision=precision,
    )
    return _compute(problem, x, w, method, memory_cap, check, out)


def correlate(
    x: Any,
    kernel: Any,
    mode: str = "full",
    boundary: str = "zero",
    method: str = "auto",
    cval: complex = 0,
    axes: int | Sequence[int] | None = None,
    *,
    precision: str = "float32",
    out: Array | None = None,
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Correlate ``x`` with ``kernel``: convolve with the kernel reversed and conjugated.

    Parameters, results and errors are those of `convolve`. With boundary zero it agrees with
    ``scipy.signal.correlate``, with the others and mode same with ``scipy.ndimage.correlate``
    (which differs for complex kernels: it does not conjugate). A kernel of even length ``k`` is
    centred as both do, at its element ``k // 2``.

    Examples
    --------
    >>> correlate([1.0, 2.0, 3.0], [0.0, 1.0], mode="valid")
    array([2., 3.])
    """
    x, w = _pair(x, kernel)
    problem = single_channel_problem(
        x.shape,
        w.shape,
        x.dtype,
        w.dtype,
        operation="correlate",
        mode=mode,
        boundary=boundary,
        cval=cval,
        axes=axes,
        precision=precision,
    )
    return _compute(problem, x, w, method, memory_cap, check, out)


def convolve_bank(
    x: Any,
    bank: Any,
    mode: str = "full",
    boundary: str = "zero",
    method: str = "auto",
    cval: complex = 0,
    axes: int | Sequence[int] | None = None,
    *,
    operation: Operation = "convolve",
    precision: str = "float32",
    out: Array | None = None,
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Convolve ``x`` with every kernel of a bank at once.

    Parameters
    ----------
    x : array
        See `convolve`.
    bank : array of shape ``(O, *K)``
        ``O`` kernels, each as `convolve` takes it.
    operation : {"convolve", "correlate"}
        Which of the two to do. All other parameters and errors are those of `convolve`.

    Returns
    -------
    array of shape ``(O, *out)``
        The results, one after another; work on ``x`` alone (its transform) is done once.

    Examples
    --------
    >>> convolve_bank([1, 2, 3], [[1, 0], [0, 1]], mode="same")
    array([[1, 2, 3],
           [0, 1, 2]])
    """
    x, w = _pair(x, bank)
    problem = single_channel_problem(
        x.shape,
        w.shape,
        x.dtype,
        w.dtype,
        operation=operation,
        mode=mode,
        boundary=boundary,
        cval=cval,
        axes=axes,
        bank=True,
        precision=precision,
    )
    return _compute(problem, x, w, method, memory_cap, check, out)


def conv(
    x: Any,
    w: Any,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    method: str = "auto",
    *,
    precision: str = "float32",
    out: Array | None = None,
    memory_cap: int | None = None,
    check: Check = never,
) -> Array:
    """Cross-correlate over channels, as deep-learning frameworks define convolution.

    Parameters
    ----------
    x : array of shape ``(N, C, *S)``
        A batch of ``N`` with ``C`` channels and one or more spatial axes.
    w : array of shape ``(O, C / groups, *K)``
        A kernel for each output channel and each input channel of its group.
    stride, padding, dilation : int or sequence of int
        One number, or one per spatial axis: the step between outputs, the zeros on each side,
        and the step between a kernel's taps.
    groups : int
        Output channels of a group see only the input channels of that group.
    method, precision, out, memory_cap, check
        See `convolve`.

    Returns
    -------
    array of shape ``(N, O, *out)``
        ``out = (S + 2 * padding - dilation * (K - 1) - 1) // stride + 1`` per axis; dtype
        ``numpy.result_type(x, w)``. Complex kernels are not conjugated.

    Raises
    ------
    InvalidInput, IntegerOverflow, AlgorithmRefused, TooLarge
        As `convolve` does.

    Examples
    --------
    >>> conv(np.ones((1, 2, 4, 4)), np.ones((3, 2, 3, 3)), padding=1)[0, 0, 0]
    array([ 8., 12., 12.,  8.])
    """
    x, w = _pair(x, w)
    problem = multi_channel_problem(
        x.shape,
        w.shape,
        x.dtype,
        w.dtype,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        precision=precision,
    )
    return _compute(problem, x, w, method, memory_cap, check, out)


def plan(
    x: Any,
    kernel: Any,
    operation: Operation = "convolve",
    *,
    dtype: Any = "float64",
    kernel_dtype: Any = None,
    method: str = "auto",
    memory_cap: int | None = None,
    device: Device | None = None,
    **options: Any,
) -> Plan:
    """Plan a convolution without computing it.

    Parameters
    ----------
    x, kernel : array or tuple of int
        Arrays, or shapes. From an array's values the plan learns more (the rank of the kernel,
        how large integers become), so it may allow an algorithm that shapes alone do not.
    operation : {"convolve", "correlate", "conv"}
        Which function is planned.
    dtype, kernel_dtype : dtype
        Dtypes where shapes are given; ``kernel_dtype`` is ``dtype`` by default.
    method, memory_cap
        See `convolve`.
    device : Device, optional
        Where it would run: the device of ``x`` by default, the CPU for shapes.
    **options
        ``mode``, ``boundary``, ``cval``, ``axes`` and ``bank`` (whether the first axis of
        ``kernel`` counts kernels); for conv ``stride``, ``padding``, ``dilation``, ``groups``;
        ``precision``.

    Returns
    -------
    Plan
        Print it for the table of candidates; ``run(x, kernel)`` computes it.

    Examples
    --------
    >>> plan((4000, 6000), (3, 3), dtype="float32", mode="same").chosen
    'direct'
    >>> plan((4000, 6000), (63, 63), dtype="float32", mode="same").chosen
    'fft-tiled'
    """
    check_one_of("operation", operation, tuple(_OPTIONS))
    for name, given in options.items():
        if name not in _OPTIONS[operation]:
            raise InvalidInput(
                f"is no option of {operation}",
                field=name,
                given=given,
                accepted=_OPTIONS[operation],
            )
    xs, ws = _operand("x", x), _operand("kernel", kernel)
    x_dtype, w_dtype = _without_bool(
        known_dtype(dtype) if isinstance(xs, tuple) else xs.dtype,
        known_dtype(kernel_dtype or dtype) if isinstance(ws, tuple) else ws.dtype,
    )
    xs, ws = _in_dtype(xs, x_dtype), _in_dtype(ws, w_dtype)
    x_shape, w_shape = (o if isinstance(o, tuple) else o.shape for o in (xs, ws))
    if operation == "conv":
        problem = multi_channel_problem(x_shape, w_shape, x_dtype, w_dtype, **options)
    else:
        problem = single_channel_problem(
            x_shape, w_shape, x_dtype, w_dtype, operation=operation, **options
        )
    is_fixed = isinstance(ws, FixedKernel)
    where = device or (cpu() if isinstance(xs, tuple) else device_of(xs))
    x_known, w_known = (None if isinstance(o, tuple) else o for o in (xs, ws))
    # A plan with a named algorithm tells of the others, too.
    want_rank = method != "auto" or wants_rank(problem, w_known, where, method, memory_cap)
    problem = learn(problem, x_known, w_known, want_rank=want_rank)
    if method == MEASURE:
        x_like = _like(xs, problem.x_shape, problem.x_dtype)
        w_like = _like(ws, problem.w_shape, problem.w_dtype)
        measure(problem, where, x_like, w_like, memory_cap=memory_cap)
        method = "auto"
    return make_plan(problem, where, method, memory_cap, is_fixed)


def _compute(
    problem: ConvProblem,
    x: Array,
    w: Array | FixedKernel,
    method: str,
    memory_cap: int | None,
    check: Check,
    out: Array | None,
) -> Array:
    if out is not None:
        common_module(x=x, out=out)
    if method == MEASURE:
        known = learn(problem, x, w)
        # What is remembered is the time of any kernel.
        there = w.beside(x) if isinstance(w, FixedKernel) else w
        measure(known, device_of(x), x, there, memory_cap=memory_cap, check=check)
        method = "auto"
    return compute(problem, x, w, method, memory_cap, check, out)


def _like(operand: Any, shape: tuple[int, ...], dtype: str) -> Array:
    # No algorithm's time depends on the values.
    if isinstance(operand, FixedKernel):
        return operand.host
    return np.ones(shape, dtype) if isinstance(operand, tuple) else operand


def _pair(x: Any, w: Any) -> tuple[Array, Array | FixedKernel]:
    x, w = as_array("x", x), w if isinstance(w, FixedKernel) else as_array("kernel", w)
    x_dtype, w_dtype = _without_bool(x.dtype, w.dtype)
    return _in_dtype(x, x_dtype), _in_dtype(w, w_dtype)


def _in_dtype(operand: Any, dtype: np.dtype[Any]) -> Any:
    # A shape has none.
    if isinstance(operand, tuple):
        return operand
    if isinstance(operand, FixedKernel):
        return operand.astype(dtype)
    return operand.astype(dtype, copy=False)


def _without_bool(x: np.dtype[Any], w: np.dtype[Any]) -> tuple[np.dtype[Any], np.dtype[Any]]:
    # Beside numbers, truth values count as 0 and 1, as they do in NumPy's arithmetic.
    return (w if x.kind == "b" else x), (x if w.kind == "b" else w)


def _operand(name: str, given: Any) -> Any:
    # A tuple of whole numbers is a shape; everything else is an array.
    if isinstance(given, tuple) and all(isinstance(n, int | np.integer) for n in given):
        return tuple(int(n) for n in given)
    return given if isinstance(given, FixedKernel) else as_array(name, given)
