"""Kernels that work number by number, or image by image, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv.codegen import batch_last_images, batch_last_pointwise
from core.conv.codegen.batch_last_layer import lanes
from core.conv.codegen.library import compile_object
from core.conv.codegen.target import named

DTYPES = st.sampled_from(["float32", "float64"])
SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf])


def numbers(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return numbers of which some are special."""
    found = random.normal(size=shape)
    special = random.random(shape) < 0.05
    found[special] = random.choice(SPECIAL, int(special.sum()))
    return found.astype(dtype)


def run(module, name: str, dtype: str, *arguments) -> None:
    given = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments]
    module.kernel(name, dtype)(*given)


@given(dtype=DTYPES, vectors=st.integers(1, 9), channels=st.integers(1, 4), seed=st.integers(0, 99))
@np.errstate(invalid="ignore")
def test_numbers_are_those_of_numpy(dtype, vectors, channels, seed) -> None:
    random, count = np.random.default_rng(seed), vectors * lanes(dtype)
    a, b = (numbers(random, (channels, count), dtype) for _ in range(2))
    shifts = numbers(random, (channels,), dtype)
    shifted = a + shifts[:, None]
    for name, inputs, expected in (
        ("rectify", [a], np.maximum(a, 0)),
        ("mask", [a, b], b * (a > 0)),
        ("multiply", [a, b], a * b),
        ("add", [a, b], a + b),
        ("add_rectify", [a, b], np.maximum(a + b, 0)),
    ):
        out = np.full_like(a, 7)
        run(batch_last_pointwise, name, dtype, *inputs, out, out.size)
        np.testing.assert_array_equal(out, expected, name)
    for name, expected in (("shift", shifted), ("shift_rectify", np.maximum(shifted, 0))):
        out = a.copy()
        run(batch_last_pointwise, name, dtype, out, shifts, channels, count)
        np.testing.assert_array_equal(out, expected, name)
    run(batch_last_pointwise, "fill", dtype, out, out.size)
    assert not out.any()


@given(dtype=DTYPES, vectors=st.integers(1, 9), channels=st.integers(1, 4), seed=st.integers(0, 99))
def test_sums_are_those_of_channels(dtype, vectors, channels, seed) -> None:
    random, count = np.random.default_rng(seed), vectors * lanes(dtype)
    y, dy = (random.normal(size=(channels, count)).astype(dtype) for _ in range(2))
    dx, sums = np.empty_like(dy), np.empty(channels, dtype)
    tolerance = (1e-5 if dtype == "float32" else 1e-13) * count
    run(batch_last_pointwise, "sum", dtype, dy, sums, channels, count)
    np.testing.assert_allclose(sums, dy.sum(axis=1, dtype=float), rtol=0, atol=tolerance)
    run(batch_last_pointwise, "mask_sum", dtype, y, dy, dx, sums, channels, count)
    np.testing.assert_array_equal(dx, dy * (y > 0))
    np.testing.assert_allclose(sums, dx.sum(axis=1, dtype=float), rtol=0, atol=tolerance)


@given(
    dtype=DTYPES,
    vectors=st.integers(1, 3),
    channels=st.integers(1, 3),
    pixels=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_images_are_those_of_numpy(dtype, vectors, channels, pixels, seed) -> None:
    random, images = np.random.default_rng(seed), vectors * lanes(dtype)
    shape = channels, pixels, images
    first = random.normal(size=(images, channels, pixels)).astype(dtype)
    x, found = np.empty(shape, dtype), np.empty(shape, dtype)
    run(batch_last_images, "enter", dtype, first, x, channels * pixels, images)
    np.testing.assert_array_equal(x, np.moveaxis(first, 0, -1))

    close = {"rtol": 0, "atol": 1e-4 if dtype == "float32" else 1e-11}
    constants = np.array([channels * pixels, 1e-3], dtype)
    run(batch_last_images, "whiten", dtype, x, found, constants, channels * pixels, images)
    exact = x.astype(float)
    centred = exact - exact.mean(axis=(0, 1))
    expected = centred / np.sqrt((centred**2).mean(axis=(0, 1)) + 1e-3)
    np.testing.assert_allclose(found, expected, **close)

    means, deviations = numbers(random, (channels,), dtype), random.uniform(1, 2, channels)
    deviations = deviations.astype(dtype)
    given = x, found, means, deviations, channels, pixels * images
    run(batch_last_images, "standardize", dtype, *given)
    expected = (x - means[:, None, None]) / deviations[:, None, None]
    np.testing.assert_array_equal(found, expected)

    y, constants = np.empty((channels, images), dtype), np.array([pixels], dtype)
    run(batch_last_images, "average", dtype, x, y, constants, channels, pixels, images)
    np.testing.assert_allclose(y, exact.mean(axis=1), **close)
    run(batch_last_images, "spread", dtype, y, found, constants, channels, pixels, images)
    np.testing.assert_array_equal(found, np.broadcast_to((y / constants)[:, None], shape))


@pytest.mark.parametrize("cpu_name", ["cortex-a78", "x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("module", [batch_last_images, batch_last_pointwise])
def test_kernels_compile_for_other_processors(module, cpu_name) -> None:
    target = named(cpu_name)
    for name in module.PROGRAMS:
        assert len(compile_object(module.source(name, "float32", target), target)) > 300
