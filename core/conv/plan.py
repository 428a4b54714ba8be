"""Plans: which algorithm, why, and what it is predicted to cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from core.arrays import Array, is_on_gpu
from core.conv import wisdom
from core.conv.algorithm import Algorithm, Cost
from core.conv.algorithms import ALGORITHMS, by_name
from core.conv.blocks import Check, never
from core.conv.capturable import CAPTURABLE
from core.conv.cuda.memory import with_what_there_is
from core.conv.device import Device, device_of
from core.conv.execute import execute, fixed_bytes
from core.conv.fixed import FixedKernel
from core.conv.problem import ConvProblem
from core.conv.values import learn
from core.errors import AlgorithmRefused, InvalidInput, TooLarge

# It is there to test the others, and takes minutes where they take milliseconds.
_ORACLE = "reference"
# Predictions are not more exact than this, so a smaller advantage is not worth a number.
_CLEARLY = 1.05
# To bring a kernel of 9 by 9 over from a device and to look for its rank: the host's part of it, as
# measured on two cores of an AMD EPYC with CuPy 14.2.
_LOOK_SECONDS = 60e-6


@dataclass(frozen=True)
class Candidate:
    """An algorithm's answer to a problem: its predicted cost, or why it refuses.

    Parameters
    ----------
    algorithm : str
        Its name.
    seconds : float or None
        Predicted time; ``None`` where it refuses before it can tell.
    bytes : int or None
        Predicted memory: the result, the extended input and the algorithm's own.
    refused : str or None
        Why it is not eligible.
    measured : float or None
        Seconds that it took when the problem was measured.
    """

    algorithm: str
    seconds: float | None
    bytes: int | None
    refused: str | None
    measured: float | None = None

    @property
    def expected(self) -> float:
        """Measured seconds where there are some, else the predicted ones."""
        if self.measured is not None:
            return self.measured
        return float("inf") if self.seconds is None else self.seconds


@dataclass(frozen=True)
class Plan:
    """The choice for one problem on one device. Print it to see all candidates.

    Parameters
    ----------
    problem : ConvProblem
        What is solved.
    device : Device
        Where.
    candidates : tuple of Candidate
        All algorithms, in the order of `core.conv.algorithms.ALGORITHMS`.
    chosen : str
        The name of the algorithm that runs.
    why : str
        One sentence.
    memory_cap : int or None
        Bytes that the run may take.
    """

    problem: ConvProblem
    device: Device
    candidates: tuple[Candidate, ...]
    chosen: str
    why: str
    memory_cap: int | None

    @property
    def candidate(self) -> Candidate:
        """The chosen candidate."""
        return next(c for c in self.candidates if c.algorithm == self.chosen)

    @property
    def products(self) -> str:
        """What the chosen algorithm multiplies: the accumulator's dtype, or a lower precision."""
        return by_name(self.chosen).products(self.problem.normal, self.device)

    def __str__(self) -> str:
        """Return the plan as a table."""
        problem = self.problem
        detail = (
            f"stride {problem.stride}, padding {problem.padding}, dilation {problem.dilation}, "
            f"groups {problem.groups}"
            if problem.operation == "conv"
            else f"mode {problem.mode}, boundary {problem.boundary}"
        )
        lines = [
            f"{problem.operation} x {problem.x_shape} {problem.x_dtype} with kernel "
            f"{problem.w_shape} {problem.w_dtype} -> {problem.out_shape} {problem.dtype}",
            f"{detail}; kernel rank {problem.rank or 'not known'}",
            f"on {self.device.name}, products of {self.products}",
            "",
            f"  {'algorithm':<10} {'predicted':>12} {'memory':>10}",
        ]
        for c in self.candidates:
            mark = "*" if c.algorithm == self.chosen else " "
            time = "-" if c.seconds is None else f"{c.seconds * 1e3:.3f} ms"
            memory = "-" if c.bytes is None else f"{c.bytes / 1e6:.1f} MB"
            note = f"  refused: {c.refused}" if c.refused else ""
            if c.measured is not None:
                note = f"  measured {c.measured * 1e3:.3f} ms{note}"
            lines.append(f"{mark} {c.algorithm:<10} {time:>12} {memory:>10}{note}")
        return "\n".join([*lines, "", f"{self.chosen}: {self.why}"])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as a JSON-ready dict."""
        return {
            "chosen": self.chosen,
            "why": self.why,
            "seconds": self.candidate.seconds,
            "bytes": self.candidate.bytes,
            "device": self.device.name,
            "memory_cap": self.memory_cap,
            "products": self.products,
            "problem": self.problem.to_dict(),
            "candidates": [
                {
                    "algorithm": c.algorithm,
                    "seconds": c.seconds,
                    "bytes": c.bytes,
                    "refused": c.refused,
                    "measured": c.measured,
                }
                for c in self.candidates
            ],
        }

    def run(self, x: Array, kernel: Array | FixedKernel, check: Check = never) -> Array:
        """Compute with the chosen algorithm.

        Parameters
        ----------
        x, kernel : array
            Of the shapes and dtypes that were planned; their values may be others.
        check : callable, optional
            Called often while the work runs; it raises to stop it.

        Returns
        -------
        array
            What the planned function returns.

        Raises
        ------
        InvalidInput
            Shapes or dtypes are not those of the plan.
        AlgorithmRefused
            The chosen algorithm cannot solve the problem for these values.
        IntegerOverflow
            The exact result does not fit its integer dtype.

        Examples
        --------
        >>> import numpy as np
        >>> from core.conv.functions import plan
        >>> planned = plan((3,), (2,), dtype="float64")
        >>> planned.run(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0]))
        array([1., 3., 5., 3.])
        """
        _check_planned("x", x, self.problem.x_shape, self.problem.x_dtype)
        _check_planned("kernel", kernel, self.problem.w_shape, self.problem.w_dtype)
        return compute(self.problem, x, kernel, self.chosen, self.memory_cap, check)


def compute(
    problem: ConvProblem,
    x: Array,
    w: Array | FixedKernel,
    method: str,
    memory_cap: int | None,
    check: Check,
    out: Array | None = None,
) -> Array:
    """Plan for the values of ``x`` and ``w``, then execute; the result goes to ``out`` if given."""
    is_fixed = isinstance(w, FixedKernel)
    if not is_fixed and is_on_gpu(x) != is_on_gpu(w):
        raise InvalidInput("x and the kernel lie on different devices", field="kernel")
    device = device_of(x)
    want_rank = wants_rank(problem, w, device, method, memory_cap)
    known = learn(problem, x, w, want_rank=want_rank)
    target = None if out is None else problem.target(out)
    if target is not None and memory_cap is not None:
        # The result is the caller's memory, or a file's, and does not count.
        memory_cap += problem.result_bytes
    plan = make_plan(known, device, method, memory_cap, is_fixed)
    algorithm = by_name(plan.chosen)

    def run(cap: int | None) -> Array:
        # The plan's problem, being the cached one, has its normal form at hand.
        return execute(plan.problem, algorithm, x, w, target, check=check, memory_cap=cap)

    if is_on_gpu(x):

        def needed(cap: int | None) -> int:
            return _cost(algorithm, plan.problem, plan.device, cap).bytes

        result = with_what_there_is(run, needed, x, memory_cap)
    else:
        result = run(memory_cap)
    if out is None:
        return result
    if target is None:
        out[...] = result
    return out


def wants_rank(
    problem: ConvProblem,
    w: Array | FixedKernel | None,
    device: Device,
    method: str,
    memory_cap: int | None,
) -> bool:
    """Return whether the rank of the kernel is worth looking for.

    Where the kernel lies on a device, to look at it is to wait for the device. That is in vain if
    even a kernel of rank 1 would be computed in another way, or gain less than the look takes.
    """
    if method != "auto":
        return method == "separable"
    if isinstance(w, FixedKernel) or w is None or not is_on_gpu(w) or problem.is_exact:
        return True
    return rank_pays(problem, device, memory_cap)


@lru_cache(maxsize=4096)
def rank_pays(problem: ConvProblem, device: Device, memory_cap: int | None) -> bool:
    """Return whether a kernel of rank 1 gains more than it takes to look for its rank."""
    if wisdom.knows(device):
        # It was learned with kernels whose rank was looked for.
        return True
    plan = make_plan(replace(problem, rank=1, uniform=True), device, "auto", memory_cap)
    if plan.chosen != "separable":
        return False
    others = [
        candidate.expected
        for candidate in plan.candidates
        if candidate.refused is None and candidate.algorithm not in (plan.chosen, _ORACLE)
    ]
    return plan.candidate.expected + _LOOK_SECONDS < min(others, default=math.inf)


@lru_cache(maxsize=4096)
def make_plan(
    problem: ConvProblem,
    device: Device,
    method: str = "auto",
    memory_cap: int | None = None,
    is_fixed: bool = False,
) -> Plan:
    """Choose the algorithm with the smallest predicted time, or the named one.

    Where the kernel ``is_fixed`` that is the time without what is made of it once.

    Raises
    ------
    InvalidInput
        ``method`` names no algorithm.
    AlgorithmRefused
        The named algorithm cannot solve the problem.
    TooLarge
        No algorithm stays below ``memory_cap``.
    """
    named = None if method in ("auto", CAPTURABLE) else by_name(method)
    known = wisdom.recall(problem, device) or {}
    candidates = tuple(
        replace(_candidate(a, problem, device, memory_cap, is_fixed), measured=known.get(a.name))
        for a in ALGORITHMS
    )
    able = [c for c in candidates if c.refused is None]
    if named is not None:
        candidate = next(c for c in candidates if c.algorithm == named.name)
        if candidate.refused is not None:
            raise AlgorithmRefused(
                f"{named.name} refuses: {candidate.refused}",
                field="method",
                given=named.name,
                accepted=["auto", *(c.algorithm for c in able)],
            )
        return Plan(problem, device, candidates, named.name, "named by the caller", memory_cap)
    eligible = [c for c in able if c.algorithm != _ORACLE]
    if method == CAPTURABLE:
        eligible = [c for c in eligible if by_name(c.algorithm).capturable]
    if not eligible:
        raise TooLarge(
            "no algorithm stays below the memory cap",
            field="memory_cap",
            given=memory_cap,
            accepted=f"{_enough(problem, device)} bytes or more",
        )
    # What was measured goes before what is predicted: only hopeless candidates are not measured.
    measured = [c for c in eligible if c.measured is not None]
    best, *others = sorted(measured or eligible, key=lambda c: c.expected)
    return Plan(problem, device, candidates, best.algorithm, _why(best, others), memory_cap)


def _enough(problem: ConvProblem, device: Device) -> int:
    """Return a memory cap that some algorithm stays below."""
    cap = 0
    while True:
        # A larger cap may make an algorithm take more than it needs, so it is asked again.
        candidates = [_candidate(a, problem, device, cap) for a in ALGORITHMS if a.name != _ORACLE]
        if any(c.refused is None for c in candidates):
            return cap
        cap = max(cap + 1, min(c.bytes for c in candidates if c.bytes is not None))


def _why(best: Candidate, others: list[Candidate]) -> str:
    known = "predicted" if best.measured is None else "measured"
    if not others or best.expected == 0:
        return "the only one that can" if best.measured is None else "the fastest when measured"
    ratio, other = others[0].expected / best.expected, others[0].algorithm
    if ratio < _CLEARLY:
        return f"{known} about as fast as {other}"
    return f"{known} {ratio:.3g} times as fast as {other}"


def _candidate(
    algorithm: Algorithm,
    problem: ConvProblem,
    device: Device,
    memory_cap: int | None,
    is_fixed: bool = False,
) -> Candidate:
    name, form = algorithm.name, problem.normal
    refused = algorithm.refuses(form) or algorithm.refuses_on(form, device)
    if refused is not None:
        return Candidate(name, None, None, refused)
    cost = _cost(algorithm, problem, device, memory_cap)
    if memory_cap is not None and cost.bytes > memory_cap:
        refused = f"takes {cost.bytes} bytes, the memory cap is {memory_cap}"
    seconds = cost.seconds - cost.once if is_fixed else cost.seconds
    return Candidate(name, seconds, cost.bytes, refused)


def _cost(
    algorithm: Algorithm, problem: ConvProblem, device: Device, memory_cap: int | None
) -> Cost:
    # With what lies beside the algorithm's own memory.
    fixed = fixed_bytes(problem, algorithm)
    left = None if memory_cap is None else memory_cap - fixed
    cost = algorithm.cost(problem.normal, device, left)
    return replace(cost, bytes=cost.bytes + fixed)


def _check_planned(
    name: str, given: Array | FixedKernel, shape: tuple[int, ...], dtype: str
) -> None:
    # A dtype's name takes as long to make as a small kernel to run; only foreign bytes need it.
    same = given.dtype == np.dtype(dtype) or given.dtype.name == dtype
    if given.shape != shape or not same:
        raise InvalidInput(
            "is not what was planned",
            field=name,
            given=f"{given.shape} {given.dtype}",
            accepted=f"{shape} {dtype}",
        )
