"""Correlation scores against their definition, place by place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.match import Template, normalised, raw, warp


def by_definition(x: np.ndarray, template: Template) -> np.ndarray:
    """Return the weighted correlation coefficient of each window."""
    size = template.shape
    weights = np.ones(size) if template.weights is None else template.weights
    w = weights[..., None] / weights.sum()
    axes = tuple(range(len(size)))
    t = template.values - (w * template.values).sum(axis=axes)
    found = np.zeros([n - k + 1 for n, k in zip(x.shape[:-1], size, strict=True)])
    for place in np.ndindex(found.shape):
        window = x[tuple(slice(p, p + k) for p, k in zip(place, size, strict=True))]
        if np.ptp(window[weights > 0], axis=0).max() == 0:
            continue
        d = window - (w * window).sum(axis=axes)
        found[place] = (w * t * d).sum() / np.sqrt((w * t**2).sum() * (w * d**2).sum())
    return found


@st.composite
def problems(draw: Any) -> tuple[np.ndarray, Template]:
    ndim = draw(st.integers(1, 2))
    size = draw(st.tuples(*[st.integers(2, 4)] * ndim))
    shape = [k + draw(st.integers(0, 5)) for k in size]
    channels = draw(st.sampled_from([1, 3]))
    random = np.random.default_rng(draw(st.integers(0, 9999)))
    # Few levels, so that constant windows occur.
    x = random.integers(0, draw(st.sampled_from([2, 256])), (*shape, channels)).astype(float)
    values = random.normal(size=(*size, channels))
    weights = random.random(size) * (random.random(size) > 0.3) if draw(st.booleans()) else None
    if weights is not None and (weights > 0).sum() < 2:
        weights = None
    return x * 0.1 + draw(st.sampled_from([0.0, 1e4])), Template(values, weights)


@given(problems())
def test_scores_are_the_correlation_coefficient(problem: tuple[np.ndarray, Template]) -> None:
    x, template = problem
    found = normalised(x, template)
    np.testing.assert_allclose(found, by_definition(x, template), atol=1e-5)
    assert abs(found).max() <= 1


@pytest.mark.parametrize("weights", [None, np.array([0.5, 1.0, 0.2])])
@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_scores_do_not_depend_on_the_unit(scale: float, weights: Any) -> None:
    random = np.random.default_rng(0)
    x, values = random.normal(size=(20, 1)), random.normal(size=(3, 1))
    expected = normalised(x, Template(values, weights))
    for large, small in ((scale, 1.0), (1.0, scale), (scale, scale)):
        found = normalised(large * x, Template(small * values, weights))
        np.testing.assert_allclose(found, expected, atol=1e-12)


@given(problems())
def test_raw_scores_are_sums_of_products(problem: tuple[np.ndarray, Template]) -> None:
    x, template = problem
    taps = template.values
    if template.weights is not None:
        taps = taps * template.weights[..., None]
    expected = sum(
        scipy.signal.correlate(x[..., c], taps[..., c], "valid") for c in range(x.shape[-1])
    )
    np.testing.assert_allclose(raw(x, template), expected, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("weights", ["none", "alike", "soft", "hard"])
@pytest.mark.parametrize("levels", [(0, 1), (0.1, 1 / 3), (255, 254)])
def test_constant_places_score_exactly_nothing(weights: str, levels: tuple[float, float]) -> None:
    # 0.1 and a third are not exact in binary, and a bright spot elsewhere makes rounding errors
    # large: quotients of these would be scores of any size. Black places beside white ones are
    # what masked templates gave infinity and NaN for in opencv/opencv#15768 and #20557.
    x = np.full((80, 81, 1), levels[0], np.float32)
    x[40:] = levels[1]
    x[:6, :6] = 1e6
    random = np.random.default_rng(0)
    w = {
        "none": None,
        "alike": np.full((9, 9), 0.3),
        "soft": random.random((9, 9)),
        "hard": (random.random((9, 9)) > 0.5).astype(float),
    }[weights]
    scores = normalised(x, Template(random.normal(size=(9, 9, 1)), w))
    assert (scores[8:30] == 0).all()
    assert (scores[40:] == 0).all()
    assert abs(scores).max() <= 1
    assert (scores[:6, :6] != 0).sum() > 30


def test_brightness_and_contrast_do_not_matter() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(30, 30, 1))
    template = Template(3 - 0.2 * x[7:15, 9:19])
    scores = normalised(x * 40 + 1000, template)
    assert scores[7, 9] == pytest.approx(-1)
    assert normalised(x, Template(x[7:15, 9:19] * 7 + 3))[7, 9] == pytest.approx(1)


def test_what_does_not_count_does_not_count() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(20, 20, 1))
    values, weights = x[5:12, 6:13].copy(), np.ones((7, 7))
    values[2:4], weights[2:4] = 1e9, 0
    assert normalised(x, Template(values, weights))[5, 6] == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "weights"),
    [
        (np.full((3, 3, 1), 0.1), None),
        (np.eye(3)[..., None], np.zeros((3, 3))),
        # Constant where it counts: infinity in opencv/opencv#23257.
        (np.eye(3)[..., None], np.eye(3)),
        (np.ones((9, 2, 1)), None),
        (np.ones((2, 2, 2)), None),
    ],
)
def test_templates_that_say_nothing_are_refused(values: Any, weights: Any) -> None:
    with pytest.raises(InvalidInput):
        normalised(np.random.default_rng(0).normal(size=(8, 8, 1)), Template(values, weights))


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_quarter_turns_are_exact(degrees: int) -> None:
    values = np.random.default_rng(0).normal(size=(6, 9, 2))
    turned = warp(Template(values), 1.0, degrees)
    np.testing.assert_allclose(turned.values, np.rot90(values, degrees // 90), atol=1e-9)
    assert turned.weights is None or (turned.weights == 1).all()


def test_slanted_templates_have_corners_that_do_not_count() -> None:
    turned = warp(Template(np.ones((20, 20, 1))), 1.0, 45)
    assert turned.shape == (28, 28)
    assert turned.weights is not None
    assert turned.weights[0, 0] == 0
    assert turned.weights.sum() == pytest.approx(400, rel=0.05)


def test_nothing_is_left_of_a_template_that_is_made_too_small() -> None:
    with pytest.raises(InvalidInput, match="3 pixels"):
        warp(Template(np.ones((20, 20, 1))), 0.1, 0)
