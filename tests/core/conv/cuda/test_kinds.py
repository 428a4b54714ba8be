"""What the article's kinds of jobs compute with, on arrays of a device: the same as on the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from core import explain, irregular, series
from core.arrays import is_on_gpu, to_numpy
from core.deconvolution import inverse, richardson_lucy, wiener
from core.diffusion import perona_malik, propagate
from core.errors import InvalidInput
from core.frequency import Filter, grid, keep_largest, multiply, transfer
from core.match import Template, normalised, raw, register
from core.series.chart import chart
from core.spectrum import transform
from core.video import filtered

random = np.random.default_rng(0)
X = random.random((24, 20))
KERNEL = np.outer([1.0, 2, 1], [1, 3, 1]) / 20
WEIGHTS = random.random((5, 4))
MASKS = {
    boundary: transfer(Filter("low-pass", "butterworth", 0.1), grid(X.shape, boundary), boundary)
    for boundary in ("reflect", "wrap")
}

SERIES = np.cumsum(random.normal(size=150))
PLACES = np.concatenate([np.linspace(-1, 40, 30), [1e9]])
TABLES = [
    np.column_stack([1.1 * random.permutation(n) + random.random(n), random.normal(size=(n, c))])
    for n, c in ((17, 2), (9, 1))
]

COMPUTED: dict[str, Callable[[Any], Any]] = {
    "spectrum": lambda on: transform(on(X), "hann"),
    "filter, reflect": lambda on: multiply(on(X), on(MASKS["reflect"]), (0, 1), "reflect")[0],
    "filter, wrap": lambda on: multiply(on(X), on(MASKS["wrap"]), (0, 1), "wrap")[0],
    "filter, one axis": lambda on: multiply(on(X), on(np.ones(20)), (1,), "reflect")[0],
    "largest": lambda on: keep_largest(on(X), 0.1, (0, 1), "wrap").values,
    "heat": lambda on: propagate(on(X), 1.5, (0, 1)),
    "Perona-Malik": lambda on: perona_malik(on(X), 1.0, 0.2, (0, 1), smooth=0.5),
    "Wiener": lambda on: wiener(on(X), on(KERNEL), (0, 1), 0.01),
    "least squares": lambda on: inverse(on(X), on(KERNEL), (0, 1), 0.01, "wrap"),
    "Richardson-Lucy": lambda on: richardson_lucy(on(X), on(KERNEL), (0, 1), 3),
    "raw match": lambda on: raw(on(X[..., None]), Template(on(X[3:8, 4:8, None]))),
    "match": lambda on: normalised(on(X[..., None]), Template(on(X[3:8, 4:8, None]), on(WEIGHTS))),
    "autocovariances": lambda on: series.autocovariance(on(SERIES), 7),
    "of whole numbers": lambda on: series.autocovariance(on(SERIES.astype(int)), 7),
    "standardise": lambda on: series.whiten(on(X), "standardise")[0],
    "ZCA": lambda on: series.whiten(on(X), "zca")[0],
    "PCA, mean": lambda on: series.whiten(on(X), "pca")[1],
    "PCA, without directions": lambda on: squared(series.whiten(on(X), "pca")[2]),
    "sums": lambda on: irregular.sums(*sampled(on)),
    "exact integrals": lambda on: irregular.exact(*sampled(on), on(PLACES)),
    "non-uniform transforms": lambda on: irregular.nonuniform(*sampled(on), on(PLACES), 0.01)[0],
    "estimated error": lambda on: irregular.error_bound(*sampled(on)),
    "bounded error": lambda on: irregular.error_bound(*sampled(on), (2.0, 3.0)),
    "integral": lambda on: sampled(on)[0].integral(),
    "product of spectra": lambda on: explain.spectra(on(X), on(KERNEL))[2],
    "patch": lambda on: nth_step(on, 7).patch,
    "products": lambda on: nth_step(on, 7).products,
}

# What is told, drawn or gone through step by step, which is on the host whatever is given.
TOLD: dict[str, Callable[[Any], Any]] = {
    "Levinson": lambda on: series.levinson(on(np.array([1, 0.5, 0.3])), 2)[0],
    "Yule-Walker": lambda on: series.yule_walker(on(SERIES), 3)[0],
    "autoregression": lambda on: series.least_squares(on(SERIES), 3)[0],
    "its constant": lambda on: series.least_squares(on(SERIES), 3)[2],
    "residuals": lambda on: series.diagnose(on(SERIES))["autocorrelations"],
    "their skewness": lambda on: series.diagnose(on(SERIES))["skewness"],
    "ARIMA": lambda on: series.fit_arima(on(SERIES), 1, 0, 1).residuals,
    "series": lambda on: chart(on(SERIES)),
    "curves": lambda on: irregular.chart([(on(SERIES.cumsum()), on(SERIES))]),
    "waves": lambda on: irregular.nonuniform(*sampled(on), on(PLACES), 0.01)[1],
    "sum of a patch": lambda on: nth_step(on, 7).sum,
    "step": lambda on: explain.draw_step(on(X), on(KERNEL), on(X), nth_step(on, 7)),
    "frequencies": lambda on: explain.frequency_view(on(X), on(KERNEL)),
    "spread": lambda on: explain.spread_view(on(X), on(KERNEL), 2),
    # All but the draws: a device has other numbers.
    "chances": lambda on: explain.probability_view(on(X), on(KERNEL))[:240, :200],
    "convolution": lambda on: explain.probability_view(on(X), on(KERNEL))[:240, -200:],
}

# Something on the host among what is on a device, and what it is called.
MIXED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "values": ("y", lambda on: irregular.Sampled(on(PLACES), PLACES[:, None])),
    "sums": ("g", lambda on: irregular.sums(sampled(on)[0], sampled(np.asarray)[1])),
    "error": ("g", lambda on: irregular.error_bound(sampled(on)[0], sampled(np.asarray)[1])),
    "exact": ("at", lambda on: irregular.exact(*sampled(on), PLACES)),
    "non-uniform": ("at", lambda on: irregular.nonuniform(*sampled(on), PLACES, 0.01)),
    "steps": ("kernel", lambda on: next(explain.steps(on(X), KERNEL))),
    "frequencies": ("kernel", lambda on: explain.frequency_view(X, on(KERNEL))),
    "spread": ("kernel", lambda on: explain.spread_view(X, on(KERNEL), 2)),
    "chances": ("kernel", lambda on: explain.probability_view(on(X), KERNEL)),
}


def sampled(on: Callable[[Any], Any]) -> list[irregular.Sampled]:
    return [irregular.Sampled.of(on(table), "inputs") for table in TABLES]


def nth_step(on: Callable[[Any], Any], n: int) -> explain.Step:
    return next(explain.steps(on(X), on(KERNEL), "mirror", first=n))


def squared(matrix: Any) -> Any:
    """Return what does not depend on the signs of eigenvectors."""
    return matrix @ matrix.T


class _Clip:
    """Frames on the host."""

    shape = (7, 12, 10)

    def read(self, index: int) -> Any:
        return X[:12, index : index + 10]


@pytest.mark.parametrize("boundary", ["reflect", "zero"])
def test_frames_are_brought_to_the_kernel(cupy: Any, boundary: Any) -> None:
    kernel = random.random((3, 5, 4))
    expected = list(filtered(_Clip(), kernel, boundary, at_once=3))
    found = list(filtered(_Clip(), cupy.asarray(kernel), boundary, at_once=3))
    assert len(found) == 7
    assert all(is_on_gpu(frame) for frame in found)
    np.testing.assert_allclose([to_numpy(f) for f in found], expected, rtol=1e-9)


def test_shifts_are_the_same(cupy: Any) -> None:
    moved = np.roll(X, (3, -2), (0, 1))
    expected = register(moved, X)
    found = register(cupy.asarray(moved), cupy.asarray(X))
    assert found.shift == expected.shift
    assert found.score == pytest.approx(expected.score)


@pytest.mark.parametrize("what", COMPUTED)
def test_devices_compute_the_same(cupy: Any, what: str) -> None:
    expected = COMPUTED[what](np.asarray)
    found = COMPUTED[what](cupy.asarray)
    assert is_on_gpu(found)
    np.testing.assert_allclose(to_numpy(found), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("what", TOLD)
def test_what_is_told_of_a_device_is_on_the_host(cupy: Any, what: str) -> None:
    expected = TOLD[what](np.asarray)
    found = TOLD[what](cupy.asarray)
    assert isinstance(found, np.ndarray | list | float | int)
    is_picture = np.asarray(found).dtype == np.uint8
    np.testing.assert_allclose(
        np.asarray(found, float), expected, rtol=1e-6, atol=1 if is_picture else 1e-9
    )


@pytest.mark.parametrize("kernel", [KERNEL, np.eye(1), np.diff(KERNEL), -KERNEL + np.eye(3)])
def test_kernels_have_the_same_character(cupy: Any, kernel: Any) -> None:
    expected, found = explain.character(kernel), explain.character(cupy.asarray(kernel))
    assert asdict(found) == pytest.approx(asdict(expected))


@pytest.mark.parametrize("what", MIXED)
def test_arrays_of_two_places_are_refused(cupy: Any, what: str) -> None:
    field, call = MIXED[what]
    with pytest.raises(InvalidInput, match="different devices") as caught:
        call(cupy.asarray)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (np.ones((3, 1)), "no table"),
        (np.array([[0, 1], [1, np.nan]]), "1 that are not"),
        (np.array([[2.5, 1], [1, 1], [2.5, 1]]), "2.5 more than once"),
    ],
)
def test_tables_of_a_device_are_refused_as_others(cupy: Any, table: Any, what: str) -> None:
    with pytest.raises(InvalidInput, match=what) as caught:
        irregular.Sampled.of(cupy.asarray(table), "inputs")
    assert caught.value.field == "inputs"


def test_what_does_not_vary_is_refused(cupy: Any) -> None:
    for refused in (
        lambda: series.whiten(cupy.asarray(np.ones((4, 2))), "pca"),
        lambda: series.fit_arima(cupy.asarray(np.ones(50)), 1, 0, 0),
        lambda: series.yule_walker(cupy.asarray(np.ones(50)), 1),
        lambda: explain.character(cupy.asarray(np.zeros((2, 2)))),
    ):
        with pytest.raises(InvalidInput):
            refused()
