"""What the article's kinds of jobs compute with, on arrays of a device: the same as on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.arrays import is_on_gpu, to_numpy
from core.deconvolution import inverse, richardson_lucy, wiener
from core.diffusion import perona_malik, propagate
from core.frequency import Filter, grid, keep_largest, multiply, transfer
from core.match import Template, normalised, raw, register
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
}


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
