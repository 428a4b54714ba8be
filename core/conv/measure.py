"""Planning by measurement: time the candidates once, and remember."""

from __future__ import annotations

import time

import numpy as np

from core.arrays import Array, array_module, is_on_gpu
from core.conv import wisdom
from core.conv.algorithms import by_name
from core.conv.blocks import Check, never
from core.conv.device import Device
from core.conv.execute import execute
from core.conv.plan import Plan, make_plan, rank_pays
from core.conv.problem import ConvProblem

MEASURE = "measure"
"""The method that measures first; not the name of an algorithm."""

# A candidate that is predicted to take longer than this many times the best is not timed.
_HOPELESS = 6
# Each is run until this much time has passed, twice at least: the first run fills caches.
_SECONDS = 0.2
_LEAST_RUNS = 2


def measure(
    problem: ConvProblem,
    device: Device,
    x: Array,
    w: Array,
    *,
    memory_cap: int | None = None,
    check: Check = never,
) -> None:
    """Time the candidates for ``problem`` and remember the times; planning uses them from now on.

    Nothing is done if the problem was measured before.

    Parameters
    ----------
    problem : ConvProblem
        With what is known of the values of ``x`` and ``w``.
    device : Device
        Where the arrays live.
    x, w : array
        As ``problem`` describes them.
    memory_cap : int, optional
        Candidates that take more bytes are not timed.
    check : callable
        See `core.conv.convolve`.

    Raises
    ------
    TooLarge
        No algorithm stays below ``memory_cap``.
    """
    if wisdom.recall(problem, device) is not None:
        return
    plan = make_plan(problem, device, "auto", memory_cap)
    wisdom.remember(problem, device, timed(plan, x, w, check=check))
    make_plan.cache_clear()
    rank_pays.cache_clear()


def timed(plan: Plan, x: Array, w: Array, *, check: Check = never) -> dict[str, float]:
    """Return the shortest of a few times of each candidate that is not predicted to be hopeless.

    Parameters
    ----------
    plan : Plan
        The candidates and their memory cap.
    x, w : array
        As the plan's problem describes them.
    check : callable
        See `core.conv.convolve`.

    Returns
    -------
    dict
        Seconds, by the names of algorithms.

    Examples
    --------
    >>> from core.conv.functions import plan
    >>> x, w = np.ones(1000, np.float32), np.ones(3, np.float32)
    >>> "direct" in timed(plan(x, w), x, w)
    True
    """
    limit = _HOPELESS * (plan.candidate.seconds or 0.0)
    near = [c for c in plan.candidates if c.refused is None and (c.seconds or 0.0) <= limit]
    seconds = {}
    for candidate in near:
        algorithm = by_name(candidate.algorithm)
        best, runs, spent = np.inf, 0, 0.0
        while runs < _LEAST_RUNS or spent < _SECONDS:
            start = time.perf_counter()
            execute(plan.problem, algorithm, x, w, check=check, memory_cap=plan.memory_cap)
            if is_on_gpu(x):
                # Until now it was only told what to do.
                array_module(x).cuda.Device().synchronize()
            took = time.perf_counter() - start
            best, runs, spent = min(best, took), runs + 1, spent + took
        seconds[candidate.algorithm] = float(best)
    return seconds
