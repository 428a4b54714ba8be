"""Winograd's convolution against double precision, with generated kernels and with NumPy."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv import codegen, conv, plan
from core.conv.algorithms import winograd
from core.conv.cook_toom import POINTS, cook_toom
from core.errors import AlgorithmRefused


@pytest.fixture(params=["on", "off"])
def generated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CONVQ_CODEGEN", request.param)
    codegen.available.cache_clear()
    plan_cache_clear()
    yield
    monkeypatch.undo()
    codegen.available.cache_clear()
    plan_cache_clear()


def plan_cache_clear() -> None:
    from core.conv.algorithms import direct
    from core.conv.plan import make_plan

    make_plan.cache_clear()
    direct._generated.cache_clear()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 20),
    channels=st.tuples(st.integers(1, 2), st.integers(2, 5), st.integers(1, 20)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    taps=st.sampled_from([3, 5]),
    padding=st.integers(2, 3),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 1000),
)
def test_errors_stay_below_the_bound(
    generated, n, channels, size, taps, padding, dtype, seed
) -> None:
    random = np.random.default_rng(seed)
    groups, c, o = channels
    x = random.standard_normal((n, groups * c, *size)).astype(dtype)
    w = random.standard_normal((groups * o, c, taps, taps)).astype(dtype)
    options = {"padding": padding, "groups": groups}
    result = conv(x, w, **options, method="winograd")
    truth = conv(x.astype("float64"), w.astype("float64"), **options, method="direct")
    assert result.shape == truth.shape
    assert result.dtype == dtype
    form = plan(x, w, "conv", **options).problem.normal
    scale = abs(w.astype("float64")).sum(axis=(1, 2, 3)).max() * abs(x).max()
    slack = 1.0 if dtype == "float32" else 2.0
    assert abs(result - truth).max() <= slack * winograd.error_bound(form) * scale


def test_the_bound_is_a_hundred_times_what_is_seen() -> None:
    random = np.random.default_rng(1)
    x, w = (
        random.standard_normal((4, 64, 30, 30), "f4"),
        random.standard_normal((8, 64, 3, 3), "f4"),
    )
    truth = conv(x.astype("float64"), w.astype("float64"), method="direct")
    scale = abs(w).sum(axis=(1, 2, 3)).max() * abs(x).max()
    error = abs(conv(x, w, method="winograd") - truth).max() / scale
    bound = winograd.error_bound(plan(x, w, "conv").problem.normal)
    assert bound / 1e5 < error < bound / 100


@pytest.mark.parametrize(
    ("x", "w", "options", "reason"),
    [
        ((1, 2, 9, 9), (2, 2, 4, 4), {}, "3 by 3 and 5 by 5"),
        ((1, 2, 9), (2, 2, 3), {}, "3 by 3 and 5 by 5"),
        ((1, 2, 9, 9), (2, 2, 3, 3), {"stride": 2}, "no stride"),
        ((1, 2, 9, 9), (2, 2, 3, 3), {"dilation": 2}, "no dilation"),
        ((1, 2, 9, 9), (2, 1, 3, 3), {"groups": 2}, "summed"),
        ((1, 2, 9, 9), (2, 2, 3, 3), {"dtype": "int32"}, "exact"),
        ((1, 2, 9, 9), (2, 2, 3, 3), {"dtype": "complex64"}, "complex"),
        ((1, 1024, 9, 9), (2, 1024, 3, 3), {"dtype": "float32"}, "error bound"),
    ],
)
def test_refusals_say_why(x, w, options, reason) -> None:
    with pytest.raises(AlgorithmRefused, match=reason):
        plan(x, w, "conv", method="winograd", **options)
    assert plan(x, w, "conv", **options).chosen != "winograd"


def test_it_is_chosen_for_layers_of_nets() -> None:
    assert plan((64, 32, 28, 28), (64, 32, 3, 3), "conv", dtype="float32", padding=1).chosen == (
        "winograd" if codegen.available() else "direct"
    )


def test_special_values_reach_what_they_should(generated) -> None:
    random = np.random.default_rng(2)
    x, w = random.standard_normal((2, 3, 9, 11)), random.standard_normal((4, 3, 3, 3))
    x[0, 1, 4, 5], x[1, 2, 8, 10] = np.nan, np.inf
    np.testing.assert_allclose(
        conv(x, w, padding=1, method="winograd"), conv(x, w, padding=1, method="reference")
    )


@pytest.mark.parametrize("r", [2, 3, 4, 5])
def test_the_matrices_correlate(r: int) -> None:
    short = cook_toom(r)
    m = len(POINTS) + 2 - r
    assert short.outputs.shape == (m, m + r - 1)
    random = np.random.default_rng(r)
    x, w = random.standard_normal(m + r - 1), random.standard_normal(r)
    result = short.outputs @ ((short.taps @ w) * (short.inputs @ x))
    np.testing.assert_allclose(result, np.correlate(x, w), atol=1e-12)


def test_the_growth_bounds_the_sum_of_magnitudes() -> None:
    short, random = cook_toom(3), np.random.default_rng(3)
    largest = 0.0
    for _ in range(2000):
        x, w = random.choice([-1.0, 1.0], 6), random.standard_normal(3)
        parts = abs(short.outputs) * abs((short.taps @ w) * (short.inputs @ x))
        largest = max(largest, float(parts.sum(axis=1).max() / abs(w).sum()))
    assert short.growth / 4 < largest <= short.growth


@pytest.mark.parametrize("taps", [3, 5])
def test_work_larger_than_a_block(generated, monkeypatch, taps: int) -> None:
    """Blocks of NumPy that cut through rows of tiles; bundles of several images and patches."""
    monkeypatch.setattr(winograd, "_BLOCK_NUMBERS", 4000)
    random = np.random.default_rng(4)
    x, w = random.standard_normal((18, 3, 40, 37)), random.standard_normal((7, 3, taps, taps))
    np.testing.assert_allclose(
        conv(x, w, padding=1, method="winograd"),
        conv(x, w, padding=1, method="fft-whole"),
        atol=1e-10,
    )
