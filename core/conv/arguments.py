"""Checks of arguments: each error names the field, what was given and what is accepted."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.arrays import Array, is_on_gpu
from core.conv.normal import Shape
from core.errors import InvalidInput


def as_array(name: str, given: Any) -> Array:
    """Return ``given`` as an array, where it is.

    Examples
    --------
    >>> as_array("x", [1, 2])
    array([1, 2])
    """
    if is_on_gpu(given):
        return given
    if isinstance(given, np.ma.MaskedArray):
        raise InvalidInput(
            "masked arrays are not convolved: what is masked has no value",
            field=name,
            given="a masked array",
            accepted=f"an ndarray, for example {name}.filled(0)",
        )
    return np.asarray(given)


def known_dtype(dtype: Any) -> np.dtype[Any]:
    """Return the dtype that is meant; refuse what means none."""
    try:
        known: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise InvalidInput(
            "no dtype", field="dtype", given=dtype, accepted="NumPy's dtypes and their names"
        ) from None
    return known


def checked_dtype(name: str, dtype: Any) -> str:
    """Return the dtype's name; refuse what cannot be convolved."""
    given = known_dtype(dtype)
    if given.kind == "b":
        raise InvalidInput(
            "is Boolean on both sides, and sums of truth values have no one meaning",
            field=name,
            given="bool",
            accepted="numbers on one side at least, for example astype(np.uint8)",
        )
    if given.kind not in "iufc" or given.itemsize > (16 if given.kind == "c" else 8):
        raise InvalidInput(
            "cannot be convolved",
            field=name,
            given=str(given),
            accepted="integers, float16, float32, float64, complex64 and complex128",
        )
    return str(given.name)


def checked_shape(name: str, shape: Sequence[int]) -> Shape:
    """Return the shape as integers; refuse what is empty or has no axis."""
    if not shape:
        raise InvalidInput("is a single number", field=name, accepted="at least one axis")
    sizes = tuple(int(n) for n in shape)
    if min(sizes) < 1:
        raise InvalidInput("is empty", field=name, given=sizes, accepted="at least one element")
    return sizes


def check_one_of(name: str, given: object, accepted: Sequence[str]) -> None:
    """Refuse a name that is not among the accepted ones."""
    if given not in accepted:
        raise InvalidInput(f"no such {name}", field=name, given=given, accepted=list(accepted))


def checked_axes(axes: int | Sequence[int] | None, ndim: int) -> Shape:
    """Return the axes to convolve, counted from 0 and ascending."""
    if axes is None:
        return tuple(range(ndim))
    listed = [axes] if isinstance(axes, int | np.integer) else list(axes)
    known = range(-ndim, ndim)
    chosen = tuple(sorted({operator.index(axis) % ndim for axis in listed if axis in known}))
    if not listed or len(chosen) != len(listed):
        raise InvalidInput(
            "is empty, repeats an axis or names one that x does not have",
            field="axes",
            given=axes,
            accepted=f"different axes from {-ndim} to {ndim - 1}",
        )
    return chosen


def check_kernel_axes(x_shape: Shape, kernel: Shape, axes: Shape) -> None:
    """Refuse a kernel whose number of axes does not fit ``x`` and ``axes``."""
    if len(kernel) == len(axes):
        return
    if len(kernel) == len(x_shape) and all(
        n == 1 for axis, n in enumerate(kernel) if axis not in axes
    ):
        return
    accepted = f"{len(axes)} axes"
    if len(axes) < len(x_shape):
        accepted += f", or {len(x_shape)} with length 1 on those that are not convolved"
    raise InvalidInput(
        "the kernel's axes do not fit x",
        field="kernel",
        given=f"x {x_shape}, kernel {kernel}, axes {axes}",
        accepted=accepted,
    )


def check_number(name: str, given: object) -> None:
    """Refuse what is no number."""
    if not isinstance(given, int | float | complex | np.number):
        raise InvalidInput("is no number", field=name, given=given, accepted="a number")


def checked_cval(cval: Any, x_dtype: str) -> complex:
    """Return the value outside as a number that ``x`` can hold."""
    dtype = np.dtype(x_dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        if cval != cval.real or cval.real % 1 or not info.min <= cval.real <= info.max:
            raise InvalidInput(
                f"does not fit x, which is {x_dtype}",
                field="cval",
                given=cval,
                accepted=f"whole numbers from {info.min} to {info.max}",
            )
        return int(cval.real)
    if dtype.kind == "f" and isinstance(cval, complex | np.complexfloating):
        raise InvalidInput(
            f"does not fit x, which is {x_dtype}", field="cval", given=cval, accepted="real numbers"
        )
    return complex(cval) if dtype.kind == "c" else float(cval)


def whole_number(name: str, value: Any, least: int) -> int:
    """Return ``value`` as an integer of at least ``least``."""
    try:
        given = operator.index(value)
    except TypeError:
        given = least - 1
    if given < least:
        raise InvalidInput(
            "is no whole number in range", field=name, given=value, accepted=f"{least} or more"
        )
    return given


def per_axis(name: str, value: int | Sequence[int], ndim: int, least: int) -> Shape:
    """Return one integer of at least ``least`` for each of ``ndim`` axes."""
    values = list(value) if isinstance(value, Sequence) else [value] * ndim
    if len(values) != ndim:
        raise InvalidInput(
            "must be one number, or one per convolved axis",
            field=name,
            given=value,
            accepted=f"{ndim} numbers",
        )
    return tuple(whole_number(name, v, least) for v in values)
