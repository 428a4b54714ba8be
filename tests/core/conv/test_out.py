"""Results that go where the caller wants them, files included."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.conv import conv, convolve, convolve_bank, correlate
from core.errors import InvalidInput

RNG = np.random.default_rng(0)
X, W = RNG.standard_normal((40, 50)), RNG.standard_normal((5, 5))
NET = RNG.standard_normal((2, 3, 9, 9)), RNG.standard_normal((4, 3, 3, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda **o: convolve(X, W, "same", **o),
        lambda **o: convolve(X, W, "full", "reflect", "fft-whole", **o),
        lambda **o: correlate(X, W[0], axes=1, **o),
        lambda **o: convolve_bank(X, np.stack([W, 2 * W]), **o),
        lambda **o: conv(*NET, padding=1, **o),
        lambda **o: convolve((9 * X).astype(int), (9 * W).astype(int), **o),
        lambda **o: convolve(X.astype(np.float16), W.astype(np.float16), **o),
    ],
)
def test_the_result_goes_to_out(call: Callable[..., Any]) -> None:
    expected = call()
    out = np.full_like(expected, 7)
    assert call(out=out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("out", "text"),
    [
        (np.empty((40, 49)), r"\(40, 50\) float64"),
        (np.empty((40, 50), np.float32), r"\(40, 50\) float64"),
        (np.empty((50, 40)).T, "C-contiguous"),
    ],
)
def test_what_does_not_fit_is_refused(out: np.ndarray[Any, Any], text: str) -> None:
    with pytest.raises(InvalidInput, match=text):
        convolve(X, W, "same", out=out)


def test_a_file_is_convolved_into_another_under_a_small_cap(tmp_path: Path) -> None:
    """The files are 16 MB each; the memory that may be taken is 3 MB."""
    shape, cap = (2048, 2048), 3_000_000
    x = np.memmap(tmp_path / "x", np.float32, "w+", shape=shape)
    x[:] = RNG.standard_normal(shape, dtype=np.float32)
    y = np.memmap(tmp_path / "y", np.float32, "w+", shape=shape)
    kernel = RNG.standard_normal((21, 21), dtype=np.float32)
    for boundary in ("zero", "reflect"):
        # The first call compiles kernels, which takes memory of its own.
        convolve(x, kernel, "same", boundary, out=y, memory_cap=cap)
        tracemalloc.start()
        convolve(x, kernel, "same", boundary, out=y, memory_cap=cap)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= cap * 1.05
        np.testing.assert_allclose(y, convolve(np.array(x), kernel, "same", boundary), atol=1e-3)
