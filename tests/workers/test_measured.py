"""How long plans took is counted, once a turn."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from core.jobs.run import Run
from core.settings import Settings
from core.store.jobs import JobStore
from core.store.statistics import Statistics
from workers.measured import numbers
from workers.runner import Runner


def group(chosen: str | None, measured: float | None, inputs: int = 1) -> dict[str, Any]:
    return {"chosen": chosen, "inputs": inputs, "seconds": 0.5, "measured_seconds": measured}


@pytest.mark.parametrize("count", [1, 2])
def test_plans_are_counted_by_algorithm(
    settings: Settings, scripted: Any, jobs: JobStore, client: redis.Redis, count: int
) -> None:
    groups = [group("direct", 1.0, inputs=3), group("direct", 0.5), group("separable", None)]

    def behave(run: Run) -> None:
        run.plan = {"groups": [*groups, group(None, 1.0)]}

    scripted.behave = behave
    for _ in range(count):
        scripted.submit()
    Runner(settings, worker="w1", pid=1, send=lambda: None).run()
    sums = Statistics(client).sums()
    assert {name: number for name, number in sums.items() if name[0] == "overrun"} == {
        # Twice as long as predicted, and as long.
        ("overrun", "direct", "56"): 3 * count,
        ("overrun", "direct", "48"): count,
    }
    assert sums["computed_us", "direct"] == 3_500_000 * count


@pytest.mark.parametrize(
    ("predicted", "timed", "regret"),
    [
        ({"direct": 1.0, "separable": 2.0}, {"direct": 0.4, "separable": 0.1}, ("direct", 64)),
        ({"direct": 2.0, "separable": 1.0}, {"direct": 0.4, "separable": 0.1}, ("separable", 48)),
        ({"direct": 1.0}, {"direct": 7.0}, ("direct", 48)),
        ({"direct": 1.0, "separable": 2.0}, {}, None),
    ],
)
def test_regret_is_what_the_prediction_would_have_cost_where_candidates_were_timed(
    predicted: dict[str, float], timed: dict[str, float], regret: tuple[str, int] | None
) -> None:
    candidates: list[dict[str, Any]] = [
        {"algorithm": name, "seconds": seconds, "measured": timed.get(name)}
        for name, seconds in predicted.items()
    ]
    candidates.append({"algorithm": "winograd", "seconds": None, "measured": None})
    found = numbers({"groups": [group("direct", 1.0, inputs=2) | {"candidates": candidates}]})
    # Four times the best is in bucket 64: two octaves above 1, which ends bucket 48.
    wanted = {} if regret is None else {f"regret:{regret[0]}:{regret[1]}": 2}
    assert {name: n for name, n in found.items() if name.startswith("regret")} == wanted


def test_plans_of_other_kinds_count_for_nothing(
    settings: Settings, scripted: Any, client: redis.Redis
) -> None:
    scripted.submit()
    Runner(settings, worker="w1", pid=1, send=lambda: None).run()
    assert not [name for name in Statistics(client).sums() if name[0] in ("computed", "overrun")]
