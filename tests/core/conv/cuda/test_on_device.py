"""Kernels for GPUs, run on one: ``pytest -m gpu``."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.conv import FixedKernel, conv, convolve
from core.conv.blocks import never
from core.conv.cuda import direct, fft, separable, tensor
from core.conv.gradients import conv_input_gradient, conv_weight_gradient
from core.conv.problem import multi_channel_problem
from tests.core.conv.cuda import fragments
from tests.core.conv.cuda.forms import assert_close, convolved, form_of, kernels_of

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy(real_cupy: Any) -> Any:
    """The real one."""
    return real_cupy


@pytest.mark.parametrize("family", [direct, separable])
@pytest.mark.parametrize("k", [2, 3, 8, 31])
@pytest.mark.parametrize(
    ("dtype", "stored"), [("float32", "uint8"), ("float32", "float16"), ("float64", "float64")]
)
def test_planes(cupy, family, k, dtype, stored) -> None:
    form = form_of((k, k), dtype, batch=2, filters=3, sizes=(301, 203))
    random = np.random.default_rng(2)
    x = random.integers(0, 9, (2, 1, 301, 203)).astype(stored)
    w = kernels_of(form, random)
    y = cupy.empty(form.out_shape, dtype)
    family.run(form, cupy.asarray(x), cupy.asarray(w), y, check=never, memory_cap=None)
    np.testing.assert_allclose(y.get(), convolved(form, x, w), rtol=1e-5, atol=1)


@pytest.mark.parametrize("stored", ["float32", "uint8", "float16"])
@pytest.mark.parametrize("k", [2, 31, 63])
@pytest.mark.parametrize("ndim", [1, 2])
def test_tiles(cupy, ndim, k, stored) -> None:
    form = form_of((k,) * ndim, "float32", batch=2, filters=3, sizes=(301, 203)[-ndim:])
    random = np.random.default_rng(2)
    x = random.integers(0, 9, (2, 1, *form.spatial)).astype(stored)
    w = kernels_of(form, random)
    expected = convolved(form, x, w)
    shared = cupy.cuda.runtime.getDeviceProperties(0)["sharedMemPerBlockOptin"]
    for how in fft.tilings(form, shared):
        y = cupy.full(form.out_shape, np.nan, "float32")
        fft.run(form, cupy.asarray(x), cupy.asarray(w), y, how, check=never)
        assert_close(form, y.get(), expected, x, w)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("outputs", [1, 8, 64, 130])
def test_channels_and_their_gradients(cupy, outputs, dtype) -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((3, 16, 30, 31)).astype(dtype)
    w = random.standard_normal((outputs, 16, 3, 3)).astype(dtype)
    options = {"stride": 2, "padding": 1}
    y = conv(x, w, **options)
    dy = random.standard_normal(y.shape).astype(dtype)
    on_device = [cupy.asarray(array) for array in (x, w, dy)]
    found = [
        conv(*on_device[:2], **options, method="direct"),
        conv_input_gradient(on_device[2], on_device[1], x.shape, **options, method="direct"),
        conv_weight_gradient(on_device[0], on_device[2], w.shape, **options, method="direct"),
    ]
    expected = [
        y,
        conv_input_gradient(dy, w, x.shape, **options),
        conv_weight_gradient(x, dy, w.shape, **options),
    ]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.get(), theirs, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("precision", fragments.PLACES)
def test_tensor_cores_have_the_documented_fragments(cupy, precision) -> None:
    random, depth = np.random.default_rng(2), 8 * fragments.PLACES[precision]
    a, b = (random.standard_normal((n, depth), "f") for n in (fragments.ROWS, fragments.COLUMNS))
    found = fragments.product(cupy, precision, a, b)
    a, b = (fragments.rounded(x, precision).astype(float) for x in (a, b))
    np.testing.assert_allclose(found, a @ b.T, rtol=0, atol=1e-5)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("outputs", [8, 30, 64, 130])
@pytest.mark.parametrize("inputs", [3, 32])
def test_tensor_cores_sum_over_channels(cupy, inputs, outputs, precision) -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((3, inputs, 30, 31)).astype("f")
    w = random.standard_normal((outputs, inputs, 3, 3)).astype("f")
    form = multi_channel_problem(x.shape, w.shape, "f", "f", stride=2, padding=1).normal
    y = cupy.empty(form.out_shape, "float32")
    x, w = (fragments.rounded(array, precision) for array in (x, w))
    turned = cupy.asarray(w)[..., ::-1, ::-1]
    form = replace(form, precision=precision)
    tensor.run(form, cupy.asarray(x), turned, y, check=never, memory_cap=None)
    expected = conv(x.astype(float), w.astype(float), stride=2, padding=1)
    np.testing.assert_allclose(y.get(), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("taps", [3, 5])
def test_winograd(cupy, taps, dtype) -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((9, 32, 61, 50)).astype(dtype)
    w = random.standard_normal((24, 16, taps, taps)).astype(dtype)
    options = {"padding": 1, "groups": 2}
    found = conv(cupy.asarray(x), cupy.asarray(w), **options, method="winograd")
    assert found.dtype == dtype
    expected = conv(x.astype(float), w.astype(float), **options)
    np.testing.assert_allclose(found.get(), expected, rtol=2.0**-10, atol=1e-2)


@pytest.mark.parametrize("method", ["direct", "fft-tiled"])
def test_half_results(cupy, method) -> None:
    random = np.random.default_rng(2)
    x, w = (random.standard_normal(shape).astype("float16") for shape in ((301, 203), (9, 9)))
    found = convolve(cupy.asarray(x), cupy.asarray(w), method=method)
    assert found.dtype == "float16"
    expected = convolve(x.astype(float), w.astype(float))
    np.testing.assert_allclose(found.get(), expected, rtol=2.0**-10, atol=1e-3)


@pytest.mark.parametrize("method", ["direct", "separable", "fft-tiled"])
def test_what_is_not_finite(cupy, method) -> None:
    x = np.ones((301, 203), "float32")
    x[[5, 150, 290], [7, 100, 33]] = np.nan, np.inf, -np.inf
    w = np.outer([1, 0, 2], [1, -1, 3]).astype("float32")
    expected = convolve(x, w, method="reference")
    found = convolve(cupy.asarray(x), cupy.asarray(w), method=method)
    np.testing.assert_allclose(found.get(), expected, atol=1e-4)


def test_weights_that_are_not_finite(cupy) -> None:
    random = np.random.default_rng(2)
    x = random.integers(0, 9, (1, 3, 40, 40)).astype("float32")
    w = random.integers(-9, 9, (6, 3, 3, 3)).astype("float32")
    w[4, 1, 2, 0] = np.inf
    found = conv(cupy.asarray(x), cupy.asarray(w), padding=1, method="direct")
    np.testing.assert_array_equal(found.get(), conv(x, w, padding=1, method="reference"))


@pytest.mark.parametrize("method", ["direct", "separable", "fft-tiled", "fft-whole", "winograd"])
def test_fixed_kernels(cupy, method) -> None:
    random = np.random.default_rng(2)
    nets = method == "winograd"
    shapes = [(2, 16, 40, 41), (2, 16, 40, 41), (1, 16, 70, 30)]
    w = np.outer(random.random(3), random.random(3)).astype("float32")
    w = random.standard_normal((8, 16, 3, 3)).astype("float32") if nets else w
    compute, fixed = conv if nets else convolve, FixedKernel(w)
    options = {"method": method} if nets else {"method": method, "axes": (2, 3)}
    streams = [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]
    for shape in shapes:
        x = random.standard_normal(shape).astype("float32")
        for stream in streams:
            with stream:
                there = cupy.asarray(x)
                found = compute(there, fixed, **options).get()
                expected = compute(there, cupy.asarray(w), **options).get()
            np.testing.assert_array_equal(found, expected)
