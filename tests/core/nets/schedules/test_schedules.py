"""Schedules: their ends, their highest points, and PyTorch's formulas."""

from __future__ import annotations

import math
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.nets.schedules import SCHEDULES, AnySchedule, schedule_of

SPECS = [
    {"schedule": "constant", "rate": 0.3},
    {"schedule": "cosine", "rate": 0.3},
    {"schedule": "cosine", "rate": 0.3, "warm_up": 0.1, "floor": 0.01},
    {"schedule": "one_cycle", "rate": 0.3},
    {"schedule": "one_cycle", "rate": 0.3, "rising": 0.9, "end": 0.0},
    {"schedule": "step", "rate": 0.3},
    {"schedule": "step", "rate": 0.3, "at": [0.9, 0.1], "factor": 0.5},
]


def rates(spec: dict, total: int) -> list[float]:
    parsed = TypeAdapter(AnySchedule).validate_python(spec)
    return [schedule_of(parsed).rate(parsed, step, total) for step in range(total)]


def test_the_union_is_of_all_schedules() -> None:
    union = typing.get_args(typing.get_args(AnySchedule)[0])
    assert set(union) == {schedule.spec for schedule in SCHEDULES}
    assert {spec["schedule"] for spec in SPECS} == {schedule.name for schedule in SCHEDULES}


@pytest.mark.parametrize("spec", SPECS, ids=str)
@given(total=st.integers(1, 400))
def test_every_rate_lies_between_zero_and_the_highest(spec, total) -> None:
    found = rates(spec, total)
    assert all(0 <= rate <= spec["rate"] * (1 + 1e-12) for rate in found)
    assert all(rate > 0 for rate in found[:-1])
    assert max(found) > 0


def test_constant() -> None:
    assert rates({"schedule": "constant", "rate": 0.3}, 3) == [0.3] * 3


@pytest.mark.parametrize("total", [1, 2, 100])
def test_cosine_is_the_published_wave(total) -> None:
    expected = [0.05 + (0.5 - 0.05) * (1 + math.cos(math.pi * t / total)) / 2 for t in range(total)]
    spec = {"schedule": "cosine", "rate": 0.5, "floor": 0.1}
    assert rates(spec, total) == pytest.approx(expected)


def test_the_warm_up_rises_evenly_to_the_highest_rate() -> None:
    found = rates({"schedule": "cosine", "rate": 1.0, "warm_up": 0.05}, 100)
    assert found[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert found[5:] == sorted(found[5:], reverse=True)


def test_one_cycle_is_that_of_pytorch() -> None:
    """``OneCycleLR(max_lr=0.3, total_steps=50)``: its phases end at step 14 and at step 49.

    That is ``float(pct_start * total_steps) - 1``; here the top is at the same share of the way.
    """
    found = rates({"schedule": "one_cycle", "rate": 0.3, "rising": 14 / 49}, 50)

    def wave(start: float, end: float, share: float) -> float:
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    initial = 0.3 / 25
    expected = [wave(initial, 0.3, t / 14) for t in range(14)]
    expected += [wave(0.3, initial / 1e4, (t - 14) / 35) for t in range(14, 50)]
    assert found == pytest.approx(expected, abs=1e-15)


def test_steps_fall_where_they_are_told_to_in_any_order() -> None:
    found = rates({"schedule": "step", "rate": 8.0, "at": [0.9, 0.1], "factor": 0.5}, 10)
    assert found == [8.0, *[4.0] * 8, 2.0]


@pytest.mark.parametrize(
    "spec",
    [
        {"schedule": "constant"},
        {"schedule": "constant", "rate": 0.0},
        {"schedule": "constant", "rate": math.inf},
        {"schedule": "cosine", "rate": 1.0, "warm_up": 1.0},
        {"schedule": "step", "rate": 1.0, "at": []},
        {"schedule": "step", "rate": 1.0, "at": [1.0]},
        {"schedule": "exponential", "rate": 1.0},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(spec) -> None:
    with pytest.raises(ValidationError):
        rates(spec, 1)
