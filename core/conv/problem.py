"""A convolution as the user states it, and its normal form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any, Literal, cast, get_args

import numpy as np

from core.arrays import Array, is_on_gpu
from core.conv.arguments import (
    check_kernel_axes,
    check_number,
    check_one_of,
    checked_axes,
    checked_cval,
    checked_dtype,
    checked_shape,
    known_dtype,
    per_axis,
    whole_number,
)
from core.conv.boundary import BOUNDARIES, Boundary, extend
from core.conv.integers import accumulator
from core.conv.normal import NormalForm, Shape
from core.conv.precision import PRECISIONS, Precision
from core.errors import InvalidInput

Operation = Literal["convolve", "correlate", "conv"]
Mode = Literal["full", "same", "valid"]
MODES: tuple[Mode, ...] = get_args(Mode)

# Numbers side by side that are worth an axis of their own; fewer are faster apart.
_LEAST_RUN = 8


@dataclass(frozen=True)
class ConvProblem:
    """A convolution: shapes, dtypes and options, and what is known about the values.

    Build it with `single_channel_problem` or `multi_channel_problem`, which check everything.

    Parameters
    ----------
    operation : {"convolve", "correlate", "conv"}
        Convolution; correlation (the kernel is reversed and conjugated); or the cross-correlation
        of deep learning over channels (reversed, not conjugated).
    x_shape, w_shape : tuple of int
        Shapes as the user has them. A bank's kernels are its first axis.
    x_dtype, w_dtype : str
        Dtypes as the user has them.
    mode : {"full", "same", "valid"}
        The window of outputs; ``conv`` has its ``padding`` instead.
    boundary : str
        What lies outside of ``x``.
    cval : number
        The value outside for boundary ``constant``.
    axes : tuple of int
        The axes of ``x`` that are convolved; all others are batch (for ``conv``: N and C).
    bank : bool
        Whether ``w`` holds several kernels.
    stride, padding, dilation : tuple of int
        Per convolved axis; only ``conv`` sets them.
    groups : int
        Groups of channels that do not mix; only ``conv`` sets it.
    precision : {"float32", "tf32", "bfloat16"}
        What may be multiplied in place of float32 numbers, see `core.conv.precision`.
    bits : int, optional
        For integers: every output is below ``2**bits`` in magnitude.
    rank : int, optional
        The number of separable terms of the kernel, where its values are known.
    uniform : bool
        Whether all values of a kernel are known to be equal.

    Examples
    --------
    >>> problem = single_channel_problem((8, 9), (3, 3), "float32", "float32", mode="valid")
    >>> problem.out_shape, problem.dtype, problem.normal.multiply_adds
    ((6, 7), 'float32', 378)
    """

    operation: Operation
    x_shape: Shape
    w_shape: Shape
    x_dtype: str
    w_dtype: str
    mode: Mode
    boundary: Boundary
    cval: complex
    axes: Shape
    bank: bool
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int
    precision: Precision = "float32"
    bits: int | None = None
    rank: int | None = None
    uniform: bool = False

    def __hash__(self) -> int:
        """Hash all fields, once: plans are looked up by problem at every call."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(vars(self)[field.name] for field in fields(self)))

    @cached_property
    def dtype(self) -> str:
        """The result's dtype: NumPy's promotion of the two inputs'."""
        return str(np.result_type(self.x_dtype, self.w_dtype))

    @cached_property
    def is_exact(self) -> bool:
        """Whether the result is an integer, and so exact or refused."""
        return np.dtype(self.dtype).kind in "iu"

    @cached_property
    def spatial(self) -> Shape:
        """Lengths of the convolved axes of ``x``."""
        return tuple(self.x_shape[axis] for axis in self.axes)

    @cached_property
    def kernel(self) -> Shape:
        """Lengths of the kernel's axes, one for each of ``axes``."""
        if len(self.w_shape) - self.bank == len(self.x_shape) and self.operation != "conv":
            return tuple(self.w_shape[axis + self.bank] for axis in self.axes)
        return self.w_shape[len(self.w_shape) - len(self.axes) :]

    @cached_property
    def run(self) -> Shape:
        """Lengths of last axes whose numbers the kernel treats alike, taken as one axis of one tap.

        As a batch their numbers would be far apart; along an axis they fill the lanes of vectors.
        """
        after = self.x_shape[self.axes[-1] + 1 :]
        return after if self.operation != "conv" and math.prod(after) >= _LEAST_RUN else ()

    @cached_property
    def batch_shape(self) -> Shape:
        """Lengths of the axes of ``x`` that are neither convolved nor of the `run`."""
        batched = self.x_shape[: len(self.x_shape) - len(self.run)]
        return tuple(n for axis, n in enumerate(batched) if axis not in self.axes)

    @cached_property
    def widths(self) -> tuple[tuple[int, int], ...]:
        """How far ``x`` is extended before and after each convolved axis."""
        if self.boundary == "zero":
            return ((0, 0),) * len(self.axes)
        return tuple(
            (max(0, k - 1 - start), max(0, start + m - n))
            for n, k, (start, m) in zip(self.spatial, self.kernel, self._windows, strict=True)
        )

    @cached_property
    def normal(self) -> NormalForm:
        """The problem that algorithms solve, `x` already extended."""
        multi = self.operation == "conv"
        # The axis of the run, if there is one: all of its numbers, and nothing to step over.
        length, one, none = ((math.prod(self.run),), (1,), (0,)) if self.run else ((), (), ())
        return NormalForm(
            batch=self.x_shape[0] if multi else math.prod(self.batch_shape),
            in_channels=self.x_shape[1] if multi else 1,
            out_channels=self.w_shape[0] if multi or self.bank else 1,
            groups=self.groups,
            spatial=tuple(
                n + before + after
                for n, (before, after) in zip(self.spatial, self.widths, strict=True)
            )
            + length,
            kernel=self.kernel + one,
            start=tuple(
                start + before
                for (start, _), (before, _) in zip(self._windows, self.widths, strict=True)
            )
            + none,
            out=tuple(m for _, m in self._windows) + length,
            stride=self.stride + one,
            dilation=self.dilation + one,
            dtype=self._accumulator,
            bits=self.bits,
            rank=self.rank,
            uniform=self.uniform,
            precision=self._products,
        )

    @cached_property
    def out_shape(self) -> Shape:
        """Shape of the result; a bank's kernels come first."""
        form = self.normal
        if self.operation == "conv":
            return form.out_shape
        shape = list(self.x_shape)
        for axis, (_, m) in zip(self.axes, self._windows, strict=True):
            shape[axis] = m
        return (form.out_channels, *shape) if self.bank else tuple(shape)

    @cached_property
    def extended_bytes(self) -> int:
        """Bytes of the extended copy of ``x``; 0 where it is used as it is."""
        if not any(before or after for before, after in self.widths):
            return 0
        form = self.normal
        return form.batch * math.prod(form.spatial) * np.dtype(self.x_dtype).itemsize

    @cached_property
    def result_bytes(self) -> int:
        """Bytes of the result, and of the accumulators that it is rounded or cast from."""
        cast = 0 if self.dtype == self.normal.dtype else np.dtype(self.dtype).itemsize
        return self.normal.outputs * (self.normal.itemsize + cast)

    def to_normal(self, x: Array, w: Array) -> tuple[Array, Array]:
        """Return ``x`` as ``(N, C, *spatial)``, extended, and ``w`` as ``(O, C/groups, *kernel)``.

        ``w`` is reversed and conjugated as the operation asks, and has the accumulator's dtype.
        """
        form, widths = self.normal, self.widths
        if self.operation == "conv":
            inputs, weights = x, w
        else:
            moved = x if self._is_in_order else _moveaxis(x, self.axes, self._places)
            run = form.spatial[len(self.axes) :]
            inputs = moved.reshape(form.batch, 1, *self.spatial, *run)
            widths += ((0, 0),) * len(run)
            weights = w.reshape(form.out_channels, 1, *form.kernel)
        if self.operation != "convolve":
            weights = weights[(..., *(slice(None, None, -1),) * form.ndim)]
        if self.operation == "correlate":
            weights = weights.conj()
        return extend(inputs, widths, self.boundary, self.cval), weights.astype(
            form.dtype, copy=False
        )

    def from_normal(self, y: Array) -> Array:
        """Return a result of shape ``(N, O, *out)`` in the user's shape."""
        if self.operation == "conv":
            return y
        form = self.normal
        out = form.out[: len(self.axes)]
        y = y.swapaxes(0, 1).reshape(form.out_channels, *self.batch_shape, *out, *self.run)
        if not self._is_in_order:
            y = _moveaxis(y, self._places, tuple(axis + 1 for axis in self.axes))
        return y if self.bank else y[0]

    def target(self, out: Array) -> Array | None:
        """Return the view of ``out`` that an algorithm can fill with the result.

        None where the result is computed in another dtype than it is returned in, so that it has
        to be converted afterwards.

        Raises
        ------
        InvalidInput
            ``out`` has another shape or dtype than the result, or its memory is not in the order
            in which results are computed.
        """
        form = self.normal
        if out.shape != self.out_shape or out.dtype.name != self.dtype:
            raise InvalidInput(
                "does not fit the result",
                field="out",
                given=f"{out.shape} {out.dtype}",
                accepted=f"{self.out_shape} {self.dtype}",
            )
        if form.dtype != self.dtype or self.is_exact:
            return None
        in_order = self.operation == "conv" or (
            self._is_in_order and 1 in (form.batch, form.out_channels)
        )
        if not (in_order and out.flags.c_contiguous):
            raise InvalidInput(
                "cannot be written to without a copy",
                field="out",
                given=f"axes {self.axes}, strides {out.strides}",
                accepted="a C-contiguous array whose last axes are the convolved ones",
            )
        return (out if is_on_gpu(out) else np.asarray(out)).reshape(form.out_shape)

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as a JSON-ready dict; only what its operation uses."""
        parts: dict[str, Any] = {
            "operation": self.operation,
            "x_shape": list(self.x_shape),
            "kernel_shape": list(self.w_shape),
            "out_shape": list(self.out_shape),
            "x_dtype": self.x_dtype,
            "kernel_dtype": self.w_dtype,
            "dtype": self.dtype,
            "precision": self.precision,
            "multiply_adds": self.normal.multiply_adds,
            "rank": self.rank,
        }
        if self.operation == "conv":
            return parts | {
                "stride": list(self.stride),
                "padding": list(self.padding),
                "dilation": list(self.dilation),
                "groups": self.groups,
            }
        return parts | {
            "mode": self.mode,
            "boundary": self.boundary,
            "cval": self.cval if isinstance(self.cval, int | float) else str(self.cval),
            "axes": list(self.axes),
            "bank": self.bank,
        }

    @cached_property
    def _places(self) -> Shape:
        """Where the normal form has the convolved axes, counted from the last: before the run."""
        last = -len(self.run)
        return tuple(range(last - len(self.axes), last))

    @cached_property
    def _is_in_order(self) -> bool:
        return self.axes == tuple(len(self.x_shape) + place for place in self._places)

    @cached_property
    def _accumulator(self) -> str:
        if self.bits is not None:
            return accumulator(self.bits)
        # Half precision keeps only three digits: sums are made in single.
        return {"float16": "float32"}.get(self.dtype, self.dtype)

    @cached_property
    def _products(self) -> str:
        # What is computed in other numbers than float32 has a precision of its own.
        if self._accumulator != "float32":
            return "float32"
        return "float16" if self.x_dtype == self.w_dtype == "float16" else self.precision

    @cached_property
    def _windows(self) -> tuple[tuple[int, int], ...]:
        # First element of the full convolution, and number of outputs, per convolved axis.
        if self.operation == "conv":
            return tuple(
                ((k - 1) * d - p, (n + 2 * p - (k - 1) * d - 1) // s + 1)
                for n, k, s, p, d in zip(
                    self.spatial, self.kernel, self.stride, self.padding, self.dilation, strict=True
                )
            )
        return tuple(self._window(n, k) for n, k in zip(self.spatial, self.kernel, strict=True))

    def _window(self, n: int, k: int) -> tuple[int, int]:
        if self.mode == "full":
            return 0, n + k - 1
        if self.mode == "valid":
            # Where the kernel is the longer one the roles swap; the window is the same.
            return min(n, k) - 1, abs(n - k) + 1
        # For even kernels scipy.ndimage.convolve centres one later than scipy.signal does.
        later = self.operation == "convolve" and self.boundary != "zero"
        return (k // 2 if later else (k - 1) // 2), n


def single_channel_problem(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    x_dtype: Any,
    w_dtype: Any,
    *,
    operation: Operation = "convolve",
    mode: str = "full",
    boundary: str = "zero",
    cval: complex = 0,
    axes: int | Sequence[int] | None = None,
    bank: bool = False,
    precision: str = "float32",
) -> ConvProblem:
    """Check and describe a convolution or correlation of one array with one kernel or a bank.

    Raises
    ------
    InvalidInput
        An argument is not acceptable; the error says which and what would be.

    Examples
    --------
    >>> single_channel_problem((5, 100), (8, 7), "f4", "f4", axes=1, bank=True).out_shape
    (8, 5, 106)
    """
    check_one_of("operation", operation, ("convolve", "correlate"))
    check_one_of("mode", mode, MODES)
    check_one_of("boundary", boundary, BOUNDARIES)
    check_one_of("precision", precision, PRECISIONS)
    check_number("cval", cval)
    return _single_channel_problem(
        tuple(x_shape),
        tuple(w_shape),
        known_dtype(x_dtype),
        known_dtype(w_dtype),
        operation,
        mode,
        boundary,
        cval,
        axes if axes is None or isinstance(axes, int | np.integer) else tuple(axes),
        bank,
        precision,
    )


@lru_cache(maxsize=4096, typed=True)
def _single_channel_problem(
    given_x_shape: Shape,
    given_w_shape: Shape,
    given_x_dtype: np.dtype[Any],
    given_w_dtype: np.dtype[Any],
    operation: Operation,
    mode: Mode,
    boundary: Boundary,
    cval: complex,
    axes: int | Shape | None,
    bank: bool,
    precision: Precision,
) -> ConvProblem:
    x_dtype, w_dtype = checked_dtype("x", given_x_dtype), checked_dtype("kernel", given_w_dtype)
    x_shape, w_shape = checked_shape("x", given_x_shape), checked_shape("kernel", given_w_shape)
    chosen = checked_axes(axes, len(x_shape))
    check_kernel_axes(x_shape, w_shape[1:] if bank else w_shape, chosen)
    ones = (1,) * len(chosen)
    problem = ConvProblem(
        operation=operation,
        x_shape=x_shape,
        w_shape=w_shape,
        x_dtype=x_dtype,
        w_dtype=w_dtype,
        mode=mode,
        boundary=boundary,
        cval=checked_cval(cval, x_dtype),
        axes=chosen,
        bank=bank,
        stride=ones,
        padding=(0,) * len(chosen),
        dilation=ones,
        groups=1,
        precision=precision,
    )
    if mode == "valid":
        longer = {n >= k for n, k in zip(problem.spatial, problem.kernel, strict=True) if n != k}
        if len(longer) > 1:
            raise InvalidInput(
                "with mode valid one input must be at least as long as the other on every axis",
                field="kernel",
                given=f"x {problem.spatial}, kernel {problem.kernel}",
                accepted="a kernel no longer than x on every axis, or no shorter on every axis",
            )
    return interned(problem)


def multi_channel_problem(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    x_dtype: Any,
    w_dtype: Any,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    precision: str = "float32",
) -> ConvProblem:
    """Check and describe a convolution over channels, as deep learning defines it.

    Raises
    ------
    InvalidInput
        An argument is not acceptable; the error says which and what would be.

    Examples
    --------
    >>> multi_channel_problem((2, 3, 8, 8), (4, 3, 3, 3), "f4", "f4", padding=1).out_shape
    (2, 4, 8, 8)
    """
    x_dtype, w_dtype = checked_dtype("x", x_dtype), checked_dtype("w", w_dtype)
    x_shape, w_shape = checked_shape("x", x_shape), checked_shape("w", w_shape)
    check_one_of("precision", precision, PRECISIONS)
    if len(x_shape) < 3:
        raise InvalidInput("x has too few axes", field="x", given=x_shape, accepted="(N, C, *S)")
    if len(w_shape) != len(x_shape):
        raise InvalidInput(
            "w must have as many axes as x",
            field="w",
            given=f"x {x_shape}, w {w_shape}",
            accepted="x (N, C, *S) with w (O, C/groups, *K)",
        )
    ndim = len(x_shape) - 2
    groups = whole_number("groups", groups, 1)
    if x_shape[1] % groups or w_shape[0] % groups or w_shape[1] * groups != x_shape[1]:
        raise InvalidInput(
            "channels and groups do not fit",
            field="groups",
            given=f"x {x_shape}, w {w_shape}, groups {groups}",
            accepted="w (O, C/groups, *K), with C and O multiples of groups",
        )
    return _multi_channel_problem(
        x_shape,
        w_shape,
        x_dtype,
        w_dtype,
        per_axis("stride", stride, ndim, 1),
        per_axis("padding", padding, ndim, 0),
        per_axis("dilation", dilation, ndim, 1),
        groups,
        cast(Precision, precision),
    )


@lru_cache(maxsize=4096)
def _multi_channel_problem(
    x_shape: Shape,
    w_shape: Shape,
    x_dtype: str,
    w_dtype: str,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
    precision: Precision,
) -> ConvProblem:
    problem = ConvProblem(
        operation="conv",
        x_shape=x_shape,
        w_shape=w_shape,
        x_dtype=x_dtype,
        w_dtype=w_dtype,
        mode="valid",
        boundary="zero",
        cval=0,
        axes=tuple(range(2, len(x_shape))),
        bank=False,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        precision=precision,
    )
    if min(problem.normal.out) < 1:
        raise InvalidInput(
            "the dilated kernel is larger than the padded input",
            field="w",
            given=f"x {x_shape}, w {w_shape}, padding {padding}, dilation {dilation}",
        )
    return interned(problem)


@lru_cache(maxsize=4096)
def interned(problem: ConvProblem) -> ConvProblem:
    """Return the first problem that was equal to this one: it has derived its properties."""
    return problem


def _moveaxis(x: Array, source: Shape, destination: Shape) -> Array:
    moved = [axis for axis in range(x.ndim) if axis not in {s % x.ndim for s in source}]
    for to, axis in sorted(
        (d % x.ndim, s % x.ndim) for s, d in zip(source, destination, strict=True)
    ):
        moved.insert(to, axis)
    return x.transpose(moved)
