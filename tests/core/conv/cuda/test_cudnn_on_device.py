"""Sums over channels by cuDNN, on a device that has it: ``pytest -m gpu``."""

from typing import Any

import numpy as np
import pytest

from core.conv import conv
from core.conv.capturable import capturable
from core.conv.cuda import cudnn
from core.conv.gradients import conv_input_gradient, conv_weight_gradient

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy(real_cupy: Any) -> Any:
    """The real one, beside cuDNN."""
    if (reason := cudnn.missing()) is not None:
        pytest.skip(reason)
    return real_cupy


@pytest.mark.parametrize("layout", ["channels first", "channels last"])
@pytest.mark.parametrize(
    ("dtype", "groups", "close"),
    [("float64", 1, 1e-12), ("float32", 1, 1e-5), ("float32", 16, 1e-5), ("float16", 1, 2e-3)],
)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_convolutions_and_their_gradients(cupy, axes, dtype, groups, close, layout) -> None:
    random = np.random.default_rng(2)
    x = random.standard_normal((3, 16, *(9, 30, 31)[-axes:])).astype(dtype)
    w = random.standard_normal((32, 16 // groups, *(3,) * axes)).astype(dtype)
    options = {"stride": 2, "padding": 2, "dilation": 2, "groups": groups}
    x64, w64 = x.astype("float64"), w.astype("float64")
    y = conv(x64, w64, **options)
    dy = random.standard_normal(y.shape).astype(dtype)
    on_device = [cupy.asarray(array) for array in (x, w, dy)]
    if layout == "channels last":
        for place in (0, 2):
            moved = cupy.ascontiguousarray(cupy.moveaxis(on_device[place], 1, -1))
            on_device[place] = cupy.moveaxis(moved, -1, 1)
    expected = [
        y,
        conv_input_gradient(dy.astype("float64"), w64, x.shape, **options),
        conv_weight_gradient(x64, dy.astype("float64"), w.shape, **options),
    ]
    options["method"] = "cudnn"
    for _ in range(2):
        found = [
            conv(*on_device[:2], **options),
            conv_input_gradient(on_device[2], on_device[1], x.shape, **options),
            conv_weight_gradient(on_device[0], on_device[2], w.shape, **options),
        ]
        for ours, theirs in zip(found, expected, strict=True):
            atol = close * np.abs(theirs).max()
            np.testing.assert_allclose(ours.get().astype("float64"), theirs, rtol=0, atol=atol)


def test_what_is_not_finite_stays_where_it_belongs(cupy) -> None:
    random = np.random.default_rng(2)
    x = random.integers(0, 9, (2, 32, 40, 40)).astype("float32")
    w = random.integers(-9, 9, (32, 32, 3, 3)).astype("float32")
    x[0, 3, 5, 5], x[1, 2, 0, 0] = np.nan, np.inf
    for weights in (w, np.where(w == 5, np.inf, w)):
        on_device = cupy.asarray(x), cupy.asarray(weights)
        found = conv(*on_device, padding=1, method="cudnn")
        np.testing.assert_array_equal(found.get(), conv(x, weights, padding=1, method="reference"))


def test_a_cuda_graph_holds_it(cupy) -> None:
    x = cupy.random.default_rng(1).standard_normal((8, 32, 20, 20), dtype=cupy.float32)
    w = cupy.random.default_rng(2).standard_normal((32, 32, 3, 3), dtype=cupy.float32)
    stream, pool = cupy.cuda.Stream(non_blocking=True), cupy.cuda.MemoryPool()
    with stream, capturable(), cupy.cuda.using_allocator(pool.malloc):
        expected = conv(x, w, method="cudnn").get()
        stream.begin_capture()
        found = conv(x, w, method="cudnn")
        graph = stream.end_capture()
        found.fill(0)
        graph.launch(stream=stream)
        np.testing.assert_array_equal(found.get(), expected)
