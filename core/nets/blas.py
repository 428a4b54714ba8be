"""Products of matrices on the engine's threads, not on those of the BLAS.

The threads of OpenBLAS spin for a while after a product, in case there is another, and take the
cores from the groups of images meanwhile: a step of a small net took 1.7 times as long.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from core.arrays import Array, is_on_gpu, matmul
from core.conv.blocks import cores, for_each, never
from core.conv.capturable import is_capturable
from core.conv.device import device_of
from core.conv.functions import conv
from core.conv.precision import Precision

# So many multiply-adds are worth handing to a thread; and no more blocks than this.
_BLOCK = 1 << 22
_BLOCKS = 32


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which the BLAS computes on the thread that calls it.

    The limit holds for the whole process. Of several threads that enter, the first sets it and
    lifts it again.

    Examples
    --------
    >>> with one_thread():
    ...     product(np.ones((2, 3)), np.ones((3, 1))).shape
    (2, 1)
    """
    limit: AbstractContextManager[object] = _controller().limit(limits=1, user_api="blas")
    return limit


@cache
def _controller() -> ThreadpoolController:
    # Looks at all libraries of the process, which takes longer than a step.
    return ThreadpoolController()


def product(a: Array, b: Array, precision: Precision = "float32") -> Array:
    """Return ``a @ b``, blocks of rows on all cores, or on the device that has them.

    The rows are divided by the shapes alone: inside `one_thread` the result has the same bits on
    any number of cores.

    Parameters
    ----------
    a, b : array, shapes (M, K) and (K, N)
    precision : {"float32", "tf32", "bfloat16"}
        What tensor cores may multiply in place of float32 numbers (`core.conv.precision`). cuBLAS
        is asked for tf32 where bfloat16 is allowed, too.

    Examples
    --------
    >>> product(np.ones((2, 3)), np.ones((3, 1)))
    array([[3.],
           [3.]])
    """
    if is_on_gpu(a):
        if is_capturable():
            # A sum over channels is a product, by a kernel that a CUDA graph can hold.
            return conv(b[None], a[..., None], method="direct", precision=precision)[0]
        rounds = precision != "float32" and device_of(a).products("tf32") == "tf32"
        return matmul(a, b, tf32=rounds)
    rows, columns = len(a), b.shape[1]
    blocks = min(max(rows * a.shape[1] * columns // _BLOCK, 1), _BLOCKS, rows)
    step = -(-rows // blocks)
    found = np.empty((rows, columns), np.result_type(a, b))

    def compute(first: int) -> None:
        np.matmul(a[first : first + step], b, out=found[first : first + step])

    for_each(compute, range(0, rows, step), never, cores())
    return found
