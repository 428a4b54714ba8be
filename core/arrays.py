"""NumPy or CuPy: the one place that knows which, and the only file that imports CuPy."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import scipy  # its parts, which take long to load, when they are first used

from core.errors import InvalidInput, Unavailable

Array: TypeAlias = Any
"""A ``numpy.ndarray`` or a ``cupy.ndarray``; what comes in decides what goes out."""

_COMPUTE_TYPE = threading.Lock()


def is_on_gpu(x: object) -> bool:
    """Return whether ``x`` lives on a GPU, without importing CuPy to find out.

    Examples
    --------
    >>> is_on_gpu(np.zeros(3))
    False
    """
    return type(x).__module__.partition(".")[0] == "cupy"


def array_module(*arrays: object) -> Any:
    """Return the module, ``numpy`` or ``cupy``, whose functions take these arrays.

    Examples
    --------
    >>> array_module(np.zeros(3)).__name__
    'numpy'
    """
    for array in arrays:
        if is_on_gpu(array):
            # It is there with its arrays; to import it again takes longer than to find it.
            return sys.modules["cupy"]
    return np


@lru_cache(maxsize=64)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Return ``dtype.name``, which NumPy puts together anew each time.

    Examples
    --------
    >>> dtype_name(np.dtype("float32"))
    'float32'
    """
    return dtype.name


def common_module(**arrays: Array) -> Any:
    """Return the module whose functions take all of these arrays, which lie in one place.

    Parameters
    ----------
    **arrays : array
        By the names that the caller's documentation has for them.

    Raises
    ------
    InvalidInput
        One lies elsewhere than the first.

    Examples
    --------
    >>> common_module(x=np.zeros(3), kernel=np.ones(1)).__name__
    'numpy'
    """
    (first, x), *others = arrays.items()
    for name, other in others:
        if is_on_gpu(other) != is_on_gpu(x):
            raise InvalidInput(
                f"{first} and {name} lie on different devices",
                field=name,
                given="a CuPy array" if is_on_gpu(other) else "a NumPy array",
                accepted="a CuPy array" if is_on_gpu(x) else "a NumPy array",
            )
    return array_module(x)


def gpu_module() -> Any:
    """Return CuPy, for who wants a GPU whatever comes in.

    Raises
    ------
    Unavailable
        CuPy is not installed, or there is no CUDA device.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ModuleNotFoundError:
        raise Unavailable(
            "CuPy is not installed", field="gpu", accepted="pip install 'convq[gpu-cuda12]'"
        ) from None
    if not cupy.is_available():
        raise Unavailable("there is no CUDA device", field="gpu")
    return cupy


def fft_module(*arrays: object) -> Any:
    """Return the FFT module for these arrays: ``scipy.fft`` or ``cupyx.scipy.fft``.

    Examples
    --------
    >>> fft_module(np.zeros(3)).__name__
    'scipy.fft'
    """
    if any(is_on_gpu(array) for array in arrays):
        return importlib.import_module("cupyx.scipy.fft")
    return scipy.fft


def matmul(a: Array, b: Array, *, tf32: bool = False) -> Array:
    """Return ``a @ b``, with float32 numbers multiplied as they are.

    With ``CUPY_TF32`` in the environment CuPy lets cuBLAS round them to tf32, which only those have
    allowed who say so here.

    Parameters
    ----------
    a, b : array
        In one place.
    tf32 : bool
        Let cuBLAS round float32 numbers to tf32; of arrays on a device that can
        (`core.conv.device.Device.products`), without meaning for others.

    Examples
    --------
    >>> matmul(np.ones((2, 3)), np.ones((3, 1))).tolist()
    [[3.0], [3.0]]
    """
    xp = array_module(a)
    if xp is np:
        return np.matmul(a, b)
    # CuPy has no other way to say it, and keeps it for the process: for all of its threads.
    linalg = importlib.import_module("cupy._core._routines_linalg")
    wanted = linalg.COMPUTE_TYPE_TF32 if tf32 else linalg.COMPUTE_TYPE_DEFAULT
    with _COMPUTE_TYPE:
        before = linalg.get_compute_type(np.float32)
        linalg.set_compute_type(np.float32, wanted)
        try:
            return xp.matmul(a, b)
        finally:
            linalg.set_compute_type(np.float32, before)


def windows(x: Array, lengths: Sequence[int], axes: Sequence[int]) -> Array:
    """Return all windows of ``x``, a view that is not to be written to.

    As `numpy.lib.stride_tricks.sliding_window_view`. CuPy's brings the lengths to the device and
    waits for what it finds them to be, which a CUDA graph cannot hold.

    Parameters
    ----------
    x : array
    lengths : sequence of int
        Of a window, none longer than its axis.
    axes : sequence of int
        Along which it slides, from 0.

    Returns
    -------
    array
        The places of windows along all axes of ``x``, then what is in them.

    Examples
    --------
    >>> windows(np.arange(4), (3,), (0,)).tolist()
    [[0, 1, 2], [1, 2, 3]]
    """
    places = list(x.shape)
    for axis, length in zip(axes, lengths, strict=True):
        places[axis] -= length - 1
    strided = array_module(x).lib.stride_tricks.as_strided
    steps = (*x.strides, *(x.strides[axis] for axis in axes))
    return strided(x, (*places, *lengths), steps)


def special_module(x: Array) -> Any:
    """Return the module of special functions for ``x``: ``scipy.special`` or CuPy's.

    Examples
    --------
    >>> special_module(np.zeros(3)).__name__
    'scipy.special'
    """
    return importlib.import_module("cupyx.scipy.special") if is_on_gpu(x) else scipy.special


def to_numpy(x: Array) -> np.ndarray[Any, Any]:
    """Return ``x`` in host memory; a NumPy array is returned as it is.

    Examples
    --------
    >>> to_numpy(np.arange(3))
    array([0, 1, 2])
    """
    return x.get() if is_on_gpu(x) else np.asarray(x)
