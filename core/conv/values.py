"""What the values of the inputs tell about a problem beyond its shapes and dtypes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from core.arrays import Array, to_numpy
from core.conv.fixed import FixedKernel
from core.conv.integers import bits_of_dtypes, bits_of_values
from core.conv.lowrank import terms
from core.conv.problem import ConvProblem, interned

# Bytes of a kernel that many calls are likely to share.
_SMALL = 1 << 14


def learn(
    problem: ConvProblem,
    x: Array | None,
    w: Array | FixedKernel | None,
    *,
    want_rank: bool = True,
) -> ConvProblem:
    """Return ``problem`` with what is known about its values.

    Parameters
    ----------
    problem : ConvProblem
        As shapes and dtypes describe it.
    x, w : array or None
        The inputs as the user has them, where they are known. A fixed kernel is looked at once.
    want_rank : bool
        Whether to look for the rank of the kernel, which only some algorithms need.

    Returns
    -------
    ConvProblem
        With ``bits`` set for integers and ``rank`` for kernels that split.

    Examples
    --------
    >>> from core.conv.problem import single_channel_problem
    >>> x, w = np.zeros((9, 9), "uint8"), np.ones((3, 3), "uint8")
    >>> problem = single_channel_problem(x.shape, w.shape, x.dtype, w.dtype)
    >>> known = learn(problem, x, w)
    >>> known.bits, known.rank
    (0, 1)
    """
    if isinstance(w, FixedKernel):
        if problem.is_exact:
            return learn(problem, x, w.host, want_rank=want_rank)
        if (problem, want_rank) not in w.learned:
            w.learned[problem, want_rank] = learn(problem, x, w.host, want_rank=want_rank)
        known: ConvProblem = w.learned[problem, want_rank]
        return known
    if not problem.is_exact and type(w) is np.ndarray and w.nbytes <= _SMALL and w.dtype.isnative:
        return _learned_from(problem, w.tobytes(), want_rank)
    known = replace(problem, bits=_bits(problem, x, w)) if problem.is_exact else problem
    return interned(known if w is None or not want_rank else _with_rank(known, w))


@lru_cache(maxsize=1024)
def _learned_from(problem: ConvProblem, kernel: bytes, want_rank: bool) -> ConvProblem:
    # The bytes of a small kernel are hashed faster than its rank is looked for.
    w = np.frombuffer(kernel, problem.w_dtype).reshape(problem.w_shape)
    return interned(_with_rank(problem, w) if want_rank else problem)


def _with_rank(problem: ConvProblem, w: Array) -> ConvProblem:
    rank = _rank(problem, w)
    kernels = to_numpy(w).reshape(-1, math.prod(problem.kernel))
    uniform = rank == 1 and bool((kernels == kernels[:, :1]).all())
    return replace(problem, rank=rank, uniform=uniform)


def _bits(problem: ConvProblem, x: Array | None, w: Array | None) -> int:
    if x is not None and w is not None:
        bank = w if problem.bank or problem.operation == "conv" else w[None]
        return bits_of_values(x, bank, int(problem.cval.real))
    form = problem.normal
    return bits_of_dtypes(problem.x_dtype, problem.w_dtype, form.taps * form.group_channels)


def _rank(problem: ConvProblem, w: Array) -> int | None:
    kernel = problem.kernel
    summed = problem.operation == "conv" and problem.w_shape[1] > 1
    if summed or sum(k > 1 for k in kernel) < 2:
        return None
    weights = to_numpy(w).reshape(-1, *kernel)
    if not problem.is_exact:
        weights = weights.astype(problem.normal.dtype, copy=False)
        # Zeros will stand for what is not finite, so the rank would be another kernel's.
        if not np.isfinite(weights).all():
            return None
    found = [terms(one) for one in weights]
    ranks = [len(split) for split in found if split is not None]
    return max(ranks) if len(ranks) == len(found) else None
