"""The kernel of tiled FFTs: compiled for a processor, compiled for devices, run on one."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv import conv, convolve, overlap_save
from core.conv.algorithms import by_name
from core.conv.algorithms.direct import numpy_run
from core.conv.blocks import never
from core.conv.cuda import fft, geometry
from core.conv.cuda.launch import types
from core.conv.device import gpu
from core.conv.overlap_save import transform_dtype
from core.conv.problem import multi_channel_problem
from tests.core.conv.cuda import nvcc, standin
from tests.core.conv.cuda.forms import assert_close, convolved, form_of, kernels_of, tiling_of

# Sources are compiled once for each of these: every number of passes, rows and columns.
CASES = [
    ((31,), (1024,), "float32", "float16"),
    ((1024,), (4096,), "float32", "uint8"),
    ((3, 5), (32, 32), "float64", "float32"),
    ((31, 9), (64, 128), "float32", "uint8"),
]
LARGE = {"sm_75": 64 << 10, "sm_90": 227 << 10}


@pytest.mark.parametrize(("kernel", "tile", "dtype", "stored"), CASES)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_it_is_the_reference(cupy, kernel, tile, dtype, stored, data) -> None:
    # Several pairs of tiles, and the last of them alone or not.
    most = [3 * (t - k + 1) + 5 for t, k in zip(tile, kernel, strict=True)]
    lengths = tuple(data.draw(st.integers(1, n)) for n in most)
    out = tuple(data.draw(st.integers(1, n)) for n in most)
    start = tuple(data.draw(st.integers(-5, 5)) for _ in kernel)
    groups, batch = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    form = form_of(
        kernel, dtype, batch=batch, filters=2 * groups, groups=groups,
        sizes=lengths, start=start, out=out,
    )  # fmt: skip
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    step = data.draw(st.sampled_from([1, 2]))
    inside = (..., *(slice(3, 3 + step * n, step) for n in lengths))
    around = np.full((batch, groups, *(step * n + 6 for n in lengths)), 99).astype(stored)
    around[inside] = random.integers(0, 50, (batch, groups, *lengths))
    w = random.standard_normal((2 * groups, 1, *kernel)).astype(dtype)
    y = cupy.full(form.out_shape, np.nan, dtype)
    how = tiling_of(form, tile)
    fft.run(form, cupy.asarray(around)[inside], cupy.asarray(w), y, how, check=never)
    x = around[inside]
    assert_close(form, y.get(), convolved(form, x, w), x, w)


@pytest.mark.parametrize(
    ("tile", "dtype"),
    [((64, 128), "float32"), ((8192,), "float32"), ((32, 32), "float64")],
)
def test_threads_of_a_warp_find_points_in_different_banks(cupy, counted, tile, dtype) -> None:
    form = form_of((1,) * len(tile), dtype, sizes=tile)
    x, w = cupy.ones((1, 1, *tile), dtype), cupy.ones((1, 1, *(1 for _ in tile)), dtype)
    y = cupy.empty(form.out_shape, dtype)
    fft.run(form, x, w, y, tiling_of(form, tile), check=never)
    turns, least = standin.turns()
    assert turns == least > 0


def test_integers_are_exact_and_holes_are_kept(cupy) -> None:
    random = np.random.default_rng(1)
    x, w = random.integers(-99, 99, (1, 1, 40, 31)), random.integers(-9, 9, (1, 1, 3, 4))
    assert fft.tilings(form_of((3, 4), "int64", sizes=(40, 31)))
    found = conv(cupy.asarray(x), cupy.asarray(w), dilation=(3, 2), method="fft-tiled")
    expected = conv(x, w, dilation=(3, 2), method="reference")
    np.testing.assert_array_equal(found.get(), expected)


@pytest.mark.parametrize("dtype", ["float32", "int32", "complex64"])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    images=st.integers(1, 3),
    groups=st.integers(1, 2),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    stride=st.integers(1, 2),
    whole=st.booleans(),
    seed=st.integers(0, 99),
)
def test_all_channels_of_a_device_are_computed_at_a_time(
    cupy, dtype, images, groups, inputs, outputs, stride, whole, seed
) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(-9, 9, (images, groups * inputs, 12, 9)).astype(dtype)
    w = random.integers(-9, 9, (groups * outputs, inputs, 3, 2)).astype(dtype)
    options = {"groups": groups, "stride": stride, "padding": 1}
    form = multi_channel_problem(x.shape, w.shape, dtype, dtype, **options).normal
    form = replace(form, bits=16 if dtype == "int32" else None)
    expected, y = np.empty(form.out_shape, form.dtype), cupy.empty(form.out_shape, form.dtype)
    numpy_run(form, x.astype(form.dtype), w.astype(form.dtype), expected, never)
    how = overlap_save.whole(form) if whole else overlap_save.tiling(form, 64)
    on_device = cupy.asarray(x), cupy.asarray(w)
    overlap_save.run(form, *on_device, y, how, check=never, workers=1)
    np.testing.assert_allclose(y.get(), expected, atol=1e-2 if form.bits is None else 0)


def test_channels_are_priced_together() -> None:
    form = multi_channel_problem((4, 32, 32, 32), (32, 32, 31, 31), "f4", "f4", padding=15).normal
    device = gpu("a device")
    cost = by_name("fft-tiled").cost(form, device, None)
    # A thousand pairs of channels are one product.
    assert cost.seconds < 1000 * device.call
    more = by_name("fft-tiled").cost(replace(form, batch=8), device, None)
    assert more.bytes > cost.bytes
    assert more.seconds < 2 * cost.seconds


def test_more_planes_than_a_grid_has_and_an_output_with_gaps(cupy, monkeypatch) -> None:
    monkeypatch.setattr(fft, "MOST_PLANES", 2)
    form = form_of((3, 5), "float64", batch=5, sizes=(8, 9))
    random = np.random.default_rng(1)
    x, w = random.integers(0, 9, (5, 1, 8, 9)).astype("float32"), kernels_of(form, random)
    y = cupy.zeros((5, 1, 10, 26), "float64")[..., ::2]
    how = tiling_of(form, (32, 32))
    fft.run(form, cupy.asarray(x), cupy.asarray(w), y, how, check=never)
    assert_close(form, y.get(), convolved(form, x, w), x, w)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "complex64"},
        {"stride": (2, 1)},
        {"in_channels": 3},
        {"kernel": (129, 3)},
        # No proof that the nearest integer is the right one.
        {"dtype": "int64", "bits": 60},
    ],
)
def test_what_it_cannot_do_is_left_to_others(change) -> None:
    assert not fft.tilings(replace(form_of((3, 3), "float32"), **change))


def test_plans_take_the_tiles_that_a_device_has_room_for() -> None:
    form = form_of((31, 31), "float32", sizes=(4096, 4096))
    small, large = gpu("small"), gpu("large", 227 << 10)
    assert [how.tile for how in fft.tilings(form, small.shared)] == [(32, 32), (64, 64)]
    assert (128, 128) in [how.tile for how in fft.tilings(form, large.shared)]
    cost = by_name("fft-tiled").cost
    assert cost(form, large, None).seconds < cost(form, small, None).seconds
    assert cost(form, large, None).seconds < by_name("fft-whole").cost(form, large, None).seconds


def test_a_line_under_a_long_kernel_is_planned_for_it() -> None:
    form = form_of((1024,), "float32", batch=64, sizes=(64000,))
    device = gpu("large", 227 << 10)
    seconds = {name: by_name(name).cost(form, device, None).seconds for name in
               ("direct", "fft-tiled", "fft-whole")}  # fmt: skip
    assert min(seconds, key=seconds.__getitem__) == "fft-tiled"


@nvcc.needed
@pytest.mark.parametrize("architecture", LARGE)
@pytest.mark.parametrize(
    ("tile", "kernel", "dtype"),
    [((8192,), (1024,), "float32"), ((64, 64), (31, 31), "float32"), ((64, 64), (9, 9), "float64")],
)
def test_devices_keep_butterflies_in_registers(architecture, tile, kernel, dtype, tmp_path) -> None:
    form = form_of(kernel, dtype, sizes=(9000,) * len(kernel))
    macros = (*types(dtype, "float16", dtype), *fft.macros(form, tiling_of(form, tile)))
    told = nvcc.told("fft", macros, architecture, tmp_path)
    frames = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads"
    assert told.count(frames) == 2
    threads = fft._threads(tile, transform_dtype(form))
    used = max(map(int, re.findall(r"Used (\d+) registers", told)))
    assert used * threads * (fft._THREADS // threads) <= 65536


def test_a_grid_covers_all_outputs() -> None:
    for n in (1, 33, 34, 35, 4096):
        form = form_of((31, 31), "float32", sizes=(n, n), out=(n, n))
        how = tiling_of(form, (64, 64))
        across = -(-n // 34)
        assert 2 * (fft._pairs(form, how) - 1) < across**2 <= 2 * fft._pairs(form, how)
    assert geometry.MOST_PLANES == 65535


def test_convolve_takes_and_returns_arrays_of_the_device(cupy) -> None:
    random = np.random.default_rng(3)
    x, w = random.standard_normal((30, 40), "f"), random.standard_normal((3, 5), "f")
    found = convolve(cupy.asarray(x), cupy.asarray(w), "same", "reflect", "fft-tiled")
    assert type(found) is cupy.ndarray
    expected = convolve(x, w, "same", "reflect", "reference")
    np.testing.assert_allclose(found.get(), expected, atol=1e-3)
