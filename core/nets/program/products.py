"""Products of matrices as calls: the BLAS that SciPy brings, by address."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, cast

import numpy as np
from scipy.linalg import cython_blas

from core.arrays import Array
from core.conv.codegen.calls import Call
from core.conv.codegen.memory import address

_NAMES = {"float32": "sgemm", "float64": "dgemm"}
_AS_IT_IS, _TRANSPOSED = b"N", b"T"


class Routine:
    """A function of a library, to stand in a table of calls."""

    def __init__(self, address: int, parameters: int) -> None:
        self.address = address
        self._function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * parameters)(address)

    def __call__(self, *arguments: int) -> None:
        """Call it."""
        self._function(*arguments)


def product(
    dtype: str, size: tuple[int, int, int], a: int, b: int, out: int, *, transposed: str = ""
) -> Call:
    """Return the call that computes ``a @ b``.

    Parameters
    ----------
    dtype : str
        Of all numbers.
    size : tuple of int
        Rows and columns of the result, and the number of terms of each sum.
    a, b, out : int
        Addresses; all matrices lie row by row.
    transposed : {"", "a", "b"}
        Which of the two lies transposed.

    Examples
    --------
    >>> a, b, out = np.arange(6.0).reshape(2, 3), np.ones((4, 3)), np.empty((2, 4))
    >>> addresses = a.ctypes.data, b.ctypes.data, out.ctypes.data
    >>> function, arguments = product("float64", (2, 4, 3), *addresses, transposed="b")
    >>> function(*arguments)
    >>> np.array_equal(out, a @ b.T)
    True
    """
    rows, columns, depth = size
    # The BLAS has matrices column by column: to it all are transposed, and so is the product.
    return _routine(dtype), (
        _letter(_TRANSPOSED if transposed == "b" else _AS_IT_IS),
        _letter(_TRANSPOSED if transposed == "a" else _AS_IT_IS),
        *(_number(n) for n in (columns, rows, depth)),
        _scalar(1.0, dtype),
        b,
        _number(depth if transposed == "b" else columns),
        a,
        _number(rows if transposed == "a" else depth),
        _scalar(0.0, dtype),
        out,
        _number(columns),
    )


@cache
def _routine(dtype: str) -> Routine:
    capsule = cast(Any, cython_blas).__pyx_capi__[_NAMES[dtype]]
    name, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return Routine(pointer(capsule, name(capsule)), 13)


# The BLAS takes everything by address. What was asked for once stays, a few hundred bytes.
@cache
def _kept(value: float | bytes, dtype: str) -> Array:
    return np.array([value], dtype)


def _letter(value: bytes) -> int:
    return address(_kept(value, "S1"))


def _number(value: int) -> int:
    return address(_kept(value, "int32"))


def _scalar(value: float, dtype: str) -> int:
    return address(_kept(value, dtype))
