"""Which variants a sweep tries, and who goes on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.jobs.candidates import MOST, Range, candidates
from core.jobs.halving import Halving, best, rungs
from core.jobs.train import TrainSpec

TRAIN = TrainSpec.model_validate(
    {
        "kind": "train",
        "data": "sha256:" + "0" * 64,
        "model": {"input": [8], "layers": [{"layer": "dense", "features": 3}]},
        "options": {"epochs": 9},
    }
)


def test_a_grid_has_every_combination_once() -> None:
    vary: Any = {"model.layers.0.features": [3, 4, 5], "options.schedule.rate": [0.1, 0.2]}
    found = candidates(TRAIN, vary, None, 0)
    pairs = {(v["model.layers.0.features"], v["options.schedule.rate"]) for v, _ in found}
    assert len(found) == len(pairs) == 6
    for values, spec in found:
        assert spec.model.layers[0].features == values["model.layers.0.features"]
        assert spec.options.schedule.rate == values["options.schedule.rate"]
        assert spec.options.epochs == 9


def test_a_whole_part_can_vary() -> None:
    optimisers = [{"optimiser": "sgd", "momentum": 0.5}, {"optimiser": "adam"}]
    found = candidates(TRAIN, {"options.optimiser": optimisers}, None, 0)
    assert [spec.options.optimiser.optimiser for _, spec in found] == ["sgd", "adam"]


@given(
    low=st.floats(1e-6, 10), ratio=st.floats(1, 1e4), seed=st.integers(0, 99),
    log=st.booleans(),
)  # fmt: skip
def test_random_values_lie_in_their_range_and_depend_on_the_seed_only(
    low: float, ratio: float, seed: int, log: bool
) -> None:
    high = min(low * ratio, 90.0)
    vary = {"options.schedule.rate": Range(low=low, high=high, scale="log" if log else "linear")}
    found = [v["options.schedule.rate"] for v, _ in candidates(TRAIN, vary, 5, seed)]
    assert all(low * (1 - 1e-9) <= value <= high * (1 + 1e-9) for value in found)
    assert found == [v["options.schedule.rate"] for v, _ in candidates(TRAIN, vary, 5, seed)]


def test_random_candidates_differ_as_long_as_there_are_more() -> None:
    vary: Any = {"options.batch": Range(low=1, high=4, whole=True)}
    found = [v["options.batch"] for v, _ in candidates(TRAIN, vary, 50, 0)]
    assert sorted(found) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("vary", "trials", "field", "message"),
    [
        ({"options.bach": [1]}, None, "vary.options.bach", "no such field"),
        ({"model.layers.1.features": [1]}, None, "vary.model.layers.1.features", "no such field"),
        ({"options.batch.size": [1]}, None, "vary.options.batch.size", "no such field"),
        ({"until": [1]}, None, "vary.until", "cannot vary"),
        ({"kind": ["train"]}, None, "vary.kind", "cannot vary"),
        ({"options.batch": ["many"]}, None, "vary", "not acceptable"),
        ({"options.batch": list(range(1, MOST + 2))}, None, "vary", "too many"),
        ({"options.batch": Range(low=1, high=2)}, None, "vary.options.batch", "no end"),
        ({"options.batch": Range(low=2, high=1)}, 3, "vary.options.batch", "nothing between"),
        (
            {"options.schedule.rate": Range(low=0, high=1, scale="log")},
            3,
            "vary.options.schedule.rate",
            "nothing between",
        ),
    ],
)
def test_what_makes_no_sense_is_named(
    vary: Any, trials: int | None, field: str, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        candidates(TRAIN, vary, trials, 0)
    assert caught.value.field == field


@given(
    count=st.integers(1, 200),
    epochs=st.integers(1, 1000),
    first=st.integers(1, 1000),
    factor=st.integers(2, 10),
)
def test_rungs_get_narrower_and_higher(count: int, epochs: int, first: int, factor: int) -> None:
    found = rungs(count, epochs, Halving(first=first, factor=factor))
    assert found[0].candidates == count
    assert found[-1].until == epochs
    for lower, upper in pairwise(found):
        assert upper.until > lower.until
        assert 1 <= upper.candidates <= max(1, lower.candidates // factor)


@given(st.dictionaries(st.integers(0, 30), st.floats(-5, 5)), st.integers(1, 10), st.booleans())
def test_the_best_are_no_worse_than_the_others(
    figures: dict[int, float], count: int, highest: bool
) -> None:
    chosen = best(figures, count, highest=highest)
    assert len(chosen) == min(count, len(figures))
    sign = 1 if highest else -1
    for i in chosen:
        for other in figures.keys() - set(chosen):
            assert sign * figures[i] >= sign * figures[other]
