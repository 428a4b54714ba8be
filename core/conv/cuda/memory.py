"""What happens when a device's memory does not suffice: less at a time, then a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.arrays import Array, array_module
from core.conv.cuda import kept
from core.errors import TooLarge


def with_what_there_is(
    run: Callable[[int | None], Array],
    needed: Callable[[int | None], int],
    x: Array,
    memory_cap: int | None,
) -> Array:
    """Return ``run(memory_cap)``, or of smaller caps while the device has no memory left.

    First what is kept of kernels makes room (`core.conv.cuda.kept`).

    Parameters
    ----------
    run : callable
        Computes within a cap in bytes.
    needed : callable
        How many bytes ``run`` takes with a cap.
    x : array
        Of the device.
    memory_cap : int or None
        The first cap.

    Returns
    -------
    array
        What ``run`` returned.

    Raises
    ------
    TooLarge
        A smaller cap does not make it take less; the error says how much it needs.
    """
    cupy, has_room = array_module(x), False
    while True:
        try:
            return run(memory_cap)
        except (MemoryError, RuntimeError) as error:
            if not is_too_little_memory(cupy, error):
                raise
            # Once: what is made anew of the kernel is kept again.
            if make_room(cupy) and not has_room:
                has_room = True
                continue
            taken = needed(memory_cap)
            less = taken // 2
            if needed(less) >= taken:
                raise too_little(cupy, f"{taken} bytes beside the input") from None
            memory_cap = less


# What is raised beside the pool's own error, and its code for too little memory: CUDA Runtime API
# (cudaErrorMemoryAllocation), CUDA Driver API (CUDA_ERROR_OUT_OF_MEMORY), cuFFT
# (CUFFT_ALLOC_FAILED), cuBLAS (CUBLAS_STATUS_ALLOC_FAILED). CuPy (14) exports none of these.
_CODES = {"CUDARuntimeError": 2, "CUDADriverError": 2, "CuFFTError": 2, "CUBLASError": 3}


def is_too_little_memory(cupy: Any, error: Exception) -> bool:
    """Return whether the device, or a library that takes memory past CuPy's pool, has none left."""
    if isinstance(error, cupy.cuda.memory.OutOfMemoryError):
        return True
    code = getattr(error, "status", getattr(error, "result", None))
    return code is not None and code == _CODES.get(type(error).__name__)


def make_room(cupy: Any) -> bool:
    """Give back what nobody uses, and return whether something was kept until now."""
    found = kept.drop()
    # Each of a thread's last sixteen plans of cuFFT has a work area.
    cupy.fft.config.get_plan_cache().clear()
    # What was freed before may lie in pieces that are too small.
    cupy.get_default_memory_pool().free_all_blocks()
    return found


def too_little(cupy: Any, accepted: str) -> TooLarge:
    """Return what says how much memory is free, and how much is needed."""
    free, total = cupy.cuda.runtime.memGetInfo()
    return TooLarge(
        "the device has too little memory left",
        field="memory",
        given=f"{free} bytes free of {total}",
        accepted=accepted,
    )
