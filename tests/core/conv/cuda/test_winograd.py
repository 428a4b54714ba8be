"""Winograd's convolution with compiled kernels: against the definition, and what compilers say."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv import conv
from core.conv.algorithms import by_name
from core.conv.blocks import block_count, blocks, never
from core.conv.cuda import winograd
from core.conv.cuda.launch import types
from core.conv.device import gpu
from core.conv.normal import NormalForm
from tests.core.conv.cuda import nvcc

WINOGRAD, REFERENCE = by_name("winograd"), by_name("reference")
# Sources are compiled once for each of these.
CASES = [
    (3, "float32", "uint8", "float32"),
    (5, "float32", "float16", "float16"),
    (5, "float64", "float32", "float64"),
]


def form_of(taps: int, dtype: str, **changes) -> NormalForm:
    ones, sizes = (1, 1), (20, 20)
    form = NormalForm(1, 4, 4, 1, sizes, (taps, taps), (0, 0), sizes, ones, ones, dtype)
    return replace(form, **changes)


@pytest.mark.parametrize(("taps", "dtype", "stored", "result"), CASES)
@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_errors_stay_below_the_bound(cupy, taps, dtype, stored, result, data) -> None:
    def whole(least: int, most: int) -> int:
        return data.draw(st.integers(least, most))

    groups, per_group = whole(1, 2), whole(2, 3)
    form = form_of(
        taps, dtype, batch=whole(1, 3), groups=groups, in_channels=groups * per_group,
        out_channels=groups * whole(1, 3), spatial=(whole(1, 25), whole(1, 25)),
        start=(whole(-7, 7), whole(-7, 7)), out=(whole(1, 25), whole(1, 25)),
    )  # fmt: skip
    random = np.random.default_rng(whole(0, 99))
    # What lies around the input must not be read, nor around the output written: it would be seen.
    step = data.draw(st.sampled_from([1, 2]))
    inside = (..., *(slice(3, 3 + step * n, step) for n in form.spatial))
    around = np.full(
        (form.batch, form.in_channels, *(step * n + 6 for n in form.spatial)), 99
    ).astype(stored)
    x = around[inside]
    x[:] = random.integers(0, 9, x.shape)
    shape = (form.out_channels, per_group, taps, taps)
    w = random.standard_normal(shape).astype(dtype)
    frame = cupy.full((*form.out_shape[:2], *(n + 4 for n in form.out)), 7, result)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(winograd, "_BLOCK_NUMBERS", data.draw(st.sampled_from([3000, 1 << 22])))
        y = frame[..., 2:-2, 2:-2]
        there = cupy.asarray(around)[inside]
        WINOGRAD.run(form, there, cupy.asarray(w), y, check=never, memory_cap=None)
    exact = replace(form, dtype="float64")
    truth = np.empty(form.out_shape)
    REFERENCE.run(exact, x, w.astype("float64"), truth, check=never, memory_cap=None)
    largest = 9 * np.abs(w).sum(axis=(1, 2, 3)).max()
    bound = WINOGRAD.error_bound(form) * largest
    # One rounding to the result's dtype.
    rounding = np.finfo(result).eps / 2 * (np.abs(truth) + bound)
    found = frame.get()
    assert (np.abs(found[..., 2:-2, 2:-2] - truth) <= bound + rounding).all()
    found[..., 2:-2, 2:-2] = 7
    assert (found == 7).all()


def test_more_channels_than_a_grid_has(cupy, monkeypatch) -> None:
    monkeypatch.setattr(winograd, "MOST_PLANES", 2)
    random = np.random.default_rng(1)
    x, w = random.standard_normal((2, 5, 9, 9)), random.standard_normal((7, 5, 3, 3))
    found = conv(cupy.asarray(x), cupy.asarray(w), method="winograd")
    np.testing.assert_allclose(found.get(), conv(x, w, method="reference"), atol=1e-12)


def test_float16_is_rounded_once(cupy) -> None:
    random = np.random.default_rng(1)
    x = random.standard_normal((2, 16, 20, 20)).astype("float16")
    w = random.standard_normal((4, 16, 3, 3)).astype("float16")
    found = conv(cupy.asarray(x), cupy.asarray(w), method="winograd")
    assert found.dtype == "float16"
    wide = conv(x.astype("float32"), w.astype("float32"), method="winograd")
    # Both are float32 sums in some order, and nearly all of them round to the same number.
    assert (found.get() == wide.astype("float16")).mean() > 0.99


@pytest.mark.parametrize("out", [(1, 1), (7, 9), (4096, 4096), (3, 1 << 24), (1 << 24, 3)])
@pytest.mark.parametrize("channels", [2, 64, 4096])
@pytest.mark.parametrize("taps", [3, 5])
def test_blocks_are_whole_tiles_of_a_bounded_size(taps: int, channels: int, out) -> None:
    form = form_of(taps, "float32", batch=3, in_channels=channels, out=out)
    size, images = winograd.blocking(form)
    tile = 7 - taps
    for n, whole in zip(size, out, strict=True):
        assert n == whole or n % tile == 0
    tiles = images * np.prod([-(-n // tile) for n in size])
    assert tiles == 1 or tiles * 36 * (channels + 4) <= 1 << 22
    if block_count(form, size, images) < 100:
        covered = sum((b.last - b.first) * np.prod(b.size) for b in blocks(form, size, images))
        assert covered == 3 * np.prod(out)


def test_a_plan_for_a_gpu_counts_what_is_moved_and_multiplied() -> None:
    device = gpu("a device")
    form = form_of(
        3, "float32", batch=64, in_channels=64, out_channels=64, spatial=(56, 56), out=(56, 56)
    )
    numbers = 64 * 2 * 64 * 56 * 56
    seconds = WINOGRAD.cost(form, device, None).seconds
    least = form.multiply_adds / 4 * device.gemm["float32"] + 4 * numbers * device.copy
    assert least < seconds < 10 * least


@nvcc.needed
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
@pytest.mark.parametrize(
    ("taps", "dtype", "most"), [(3, "float32", 80), (5, "float32", 80), (3, "float64", 168)]
)
def test_devices_keep_tiles_in_registers(architecture, taps, dtype, most, tmp_path) -> None:
    macros = (*types(dtype, dtype, dtype), ("TAPS", taps), ("THREADS", 128))
    told = nvcc.told("winograd", macros, architecture, tmp_path)
    assert told.count("0 bytes spill stores, 0 bytes spill loads") == 2
    # Six blocks of 128 threads are on a multiprocessor at a time, or three with wide numbers.
    assert max(map(int, re.findall(r"Used (\d+) registers", told))) <= most
