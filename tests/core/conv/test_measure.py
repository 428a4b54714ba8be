"""Planning by measurement: timed once, remembered, and only for the very same problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core import conv
from core.conv import wisdom
from core.conv.device import cpu
from core.conv.plan import make_plan

X = np.random.default_rng(0).standard_normal((60, 70)).astype(np.float32)
W = np.random.default_rng(1).standard_normal((5, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def _own_wisdom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVQ_CACHE_DIR", str(tmp_path))
    make_plan.cache_clear()
    wisdom._read.cache_clear()


def stored(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "wisdom").rglob("*.json"))


def test_measuring_gives_the_same_result_and_is_remembered(tmp_path: Path) -> None:
    expected = conv.convolve(X, W, "same")
    assert stored(tmp_path) == []
    measured = conv.convolve(X, W, "same", method="measure")
    np.testing.assert_allclose(measured, expected, atol=1e-4)
    (path,) = stored(tmp_path)
    plan = conv.plan(X, W, mode="same")
    assert plan.candidate.measured is not None
    assert "measured" in plan.why
    assert "measured" in str(plan)
    before = path.stat().st_mtime_ns
    conv.convolve(X, W, "same", method="measure")
    assert path.stat().st_mtime_ns == before


def test_the_fastest_measured_candidate_is_chosen_whatever_is_predicted() -> None:
    first = conv.plan(X, W, mode="same")
    wisdom.remember(first.problem, cpu(), {"fft-whole": 1e-6, first.chosen: 1e-3})
    make_plan.cache_clear()
    planned = conv.plan(X, W, mode="same")
    assert planned.chosen == "fft-whole"
    assert planned.why == f"measured 1e+03 times as fast as {first.chosen}"
    np.testing.assert_allclose(planned.run(X, W), first.run(X, W), atol=1e-4)


def test_wisdom_is_for_the_same_problem_alone() -> None:
    conv.convolve(X, W, "same", method="measure")
    for other in (
        conv.plan(X, W, mode="full"),
        conv.plan(X[1:], W, mode="same"),
        conv.plan(X.astype(float), W, mode="same"),
        conv.plan(X, W, mode="same", boundary="wrap"),
        conv.plan(X, np.ones((5, 5), np.float32), mode="same"),
    ):
        assert other.candidate.measured is None


def test_a_plan_from_shapes_can_be_measured() -> None:
    plan = conv.plan((60, 70), (5, 5), dtype="float32", method="measure")
    assert plan.candidate.measured == min(
        c.measured for c in plan.candidates if c.measured is not None
    )
    assert next(c for c in plan.candidates if c.algorithm == "reference").measured is None


def test_a_memory_cap_still_counts() -> None:
    first = conv.plan(X, W, mode="same")
    wisdom.remember(first.problem, cpu(), {"fft-whole": 1e-6})
    make_plan.cache_clear()
    (whole,) = (c for c in first.candidates if c.algorithm == "fft-whole")
    assert conv.plan(X, W, mode="same", memory_cap=whole.bytes).chosen == "fft-whole"
    assert conv.plan(X, W, mode="same", memory_cap=whole.bytes - 1).chosen != "fft-whole"


def test_torn_wisdom_is_measured_again(tmp_path: Path) -> None:
    conv.convolve(X, W, "same", method="measure")
    (path,) = stored(tmp_path)
    path.write_text(path.read_text()[:20])
    wisdom._read.cache_clear()
    make_plan.cache_clear()
    assert conv.plan(X, W, mode="same", method="measure").candidate.measured is not None


def test_measuring_can_be_stopped() -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conv.convolve(X, W, method="measure", check=check)
