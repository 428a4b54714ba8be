"""How good the planner's choices are: the time of the chosen over that of the best candidate.

``python -m bench.regret [--problems N]`` times the candidates of random problems and writes
``bench/results/regret.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
import timeit
from pathlib import Path
from typing import Any

import numpy as np

from bench.measure import machine
from core import conv
from core.arrays import Array
from core.conv.algorithms import by_name
from core.conv.blocks import never
from core.conv.execute import execute
from core.conv.measure import timed
from core.conv.plan import Plan
from core.conv.problem import ConvProblem

RESULTS = Path(__file__).parent / "results"

_MOST_BYTES = 64 << 20
# Beyond this many times the best prediction, or this long, a candidate is not timed.
_HOPELESS, _LONGEST = 20, 4.0
_RUNS, _SECONDS = 5, 0.3


def random_problem(rng: np.random.Generator) -> Plan:
    """Return the plan of a random problem: 1-D to 3-D, single and multi-channel."""
    kind = rng.choice(["1d", "2d", "3d", "net", "separable"])
    dtype = rng.choice(["float32", "float32", "float64"])
    values = math.exp(rng.uniform(math.log(64), math.log(_MOST_BYTES / np.dtype(dtype).itemsize)))
    if kind == "net":
        n, c, o = (int(2 ** rng.integers(0, 7)) for _ in range(3))
        side = int(np.clip(math.sqrt(values / (n * c)), 4, 128))
        k = int(rng.choice([1, 3, 5, 7, 11, 15, 31]))
        k = min(k, side)
        x = rng.standard_normal((n, c, side, side)).astype(dtype)
        w = rng.standard_normal((o, c, k, k)).astype(dtype)
        return conv.plan(x, w, "conv", padding=k // 2)
    ndim = {"1d": 1, "2d": 2, "3d": 3, "separable": 2}[str(kind)]
    side = max(3, round(values ** (1 / ndim)))
    longest = {1: 10_000, 2: 200, 3: 25}[ndim]
    k = round(math.exp(rng.uniform(math.log(2), math.log(min(longest, side)))))
    x = rng.standard_normal((side,) * ndim).astype(dtype)
    w = rng.standard_normal((k,) * ndim).astype(dtype)
    if kind == "separable":
        w = np.outer(w[0], w[1]).astype(dtype)
    mode = str(rng.choice(["full", "same", "valid"]))
    boundary = str(rng.choice(["zero", "reflect"]))
    return conv.plan(x, w, mode=mode, boundary=boundary)


def values(problem: ConvProblem, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return random inputs of a problem."""
    x = rng.standard_normal(problem.x_shape).astype(problem.x_dtype)
    w = rng.standard_normal(problem.w_shape).astype(problem.w_dtype)
    if problem.rank == 1 and w.ndim == 2:
        w = np.outer(w[0], w[1]).astype(problem.w_dtype)
    return x, w


def times(plan: Plan, x: Array, w: Array) -> dict[str, float]:
    """Return the best measured seconds of every candidate that has a chance."""
    problem = plan.problem
    near = [
        c
        for c in plan.candidates
        if c.refused is None
        and c.seconds is not None
        and c.seconds < min(_LONGEST, _HOPELESS * (plan.candidate.seconds or 0))
    ]
    best = {c.algorithm: math.inf for c in near}
    begin = time.perf_counter()
    for _ in range(_RUNS):
        # In turn, so that a drift of the machine hits all alike.
        for name in best:
            start = time.perf_counter()
            execute(problem, by_name(name), x, w, check=never, memory_cap=None)
            best[name] = min(best[name], time.perf_counter() - start)
        if time.perf_counter() - begin > _SECONDS * len(best) * _RUNS:
            break
    return best


def smallest_call() -> float:
    """Return the seconds of a planned call whose kernel takes next to nothing: its overhead."""
    x, w = np.ones((8, 8), np.float32), np.ones((3, 3), np.float32)
    planned = conv.plan(x, w, mode="same", method="direct")
    return min(timeit.repeat(lambda: planned.run(x, w), number=300, repeat=60)) / 300


def main() -> int:
    """Measure, print the worst choices, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=500)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for _ in range(arguments.problems):
        plan = random_problem(rng)
        x, w = values(plan.problem, rng)
        # What method "measure" takes from then on: it was measured apart from what it is judged by.
        before = timed(plan, x, w)
        measured = min(before, key=before.__getitem__)
        seconds = times(plan, x, w)
        fastest = min(seconds.values())
        rows.append(
            {
                "problem": plan.problem.to_dict(),
                "chosen": plan.chosen,
                "measured": measured,
                "predicted": plan.candidate.seconds,
                "seconds": seconds,
                "regret": seconds[plan.chosen] / fastest,
                "regret_measured": seconds[measured] / fastest,
            }
        )
    rows.sort(key=lambda row: -row["regret"])
    call = smallest_call()
    page = _page(rows, call)
    print(page)
    if arguments.problems >= 500:
        report = {"machine": machine(), "smallest_call": call, "rows": rows}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "regret.json").write_text(json.dumps(report) + "\n")
        (RESULTS / "regret.md").write_text(page)
    return 0


def _page(rows: list[dict[str, Any]], call: float) -> str:
    accuracy = sorted(row["seconds"][row["chosen"]] / row["predicted"] for row in rows)
    about = machine()
    lines = [
        "# Regret of the planner",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cpu']}, {about['cores']} cores.",
        "",
        f"{len(rows)} random problems. Regret is the time of the chosen algorithm over that of "
        "the fastest.",
        "",
        "| method | median | 90 % | 99 % | worst | chosen is the fastest |",
        "|---|---|---|---|---|---|",
        _summary("`auto`, by the cost model", [row["regret"] for row in rows]),
        _summary("`measure`, after the first call", [row["regret_measured"] for row in rows]),
        "",
        f"Measured over predicted time of the chosen: median {statistics.median(accuracy):.2f}, "
        f"10 % {_quantile(accuracy, 0.1):.2f}, 90 % {_quantile(accuracy, 0.9):.2f}.",
        "",
        f"A planned call for 8 x 8 numbers and a kernel of 3 x 3 takes {call * 1e6:.1f} us, nearly "
        "all of it overhead.",
        "",
        "The worst of `auto`:",
        "",
        "| problem | chosen | fastest | regret |",
        "|---|---|---|---|",
    ]
    for row in rows[:15]:
        problem = row["problem"]
        fastest = min(row["seconds"], key=row["seconds"].__getitem__)
        lines.append(
            f"| {problem['operation']} {problem['x_shape']} * {problem['kernel_shape']} "
            f"{problem['dtype']} | {row['chosen']} {row['seconds'][row['chosen']] * 1e3:.3g} ms "
            f"| {fastest} {row['seconds'][fastest] * 1e3:.3g} ms | {row['regret']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _summary(method: str, regrets: list[float]) -> str:
    ordered = sorted(regrets)
    return (
        f"| {method} | {statistics.median(ordered):.2f} | {_quantile(ordered, 0.9):.2f} "
        f"| {_quantile(ordered, 0.99):.2f} | {ordered[-1]:.2f} "
        f"| {sum(r == 1 for r in ordered) / len(ordered):.0%} |"
    )


def _quantile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, math.floor(part * len(ordered)))]


if __name__ == "__main__":
    sys.exit(main())
