"""Kernels for GPUs: compiled for a processor, compiled for devices, run on one."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv.algorithms import by_name
from core.conv.blocks import never
from core.conv.cuda import channels, direct, geometry, separable
from core.conv.cuda.launch import types
from core.conv.device import gpu
from tests.core.conv.cuda import nvcc, standin
from tests.core.conv.cuda.forms import convolved, form_of, kernels_of

FAMILIES = {"direct": direct, "separable": separable}
# Sources are compiled once for each of these.
CASES = [
    ("direct", (3, 3), "float32", "uint8"),
    ("direct", (2, 5), "float64", "float64"),
    ("direct", (4,), "int64", "int16"),
    ("direct", (3,), "float32", "float16"),
    ("separable", (5, 3), "float32", "uint8"),
    ("separable", (2, 9), "float64", "float32"),
]


@pytest.mark.parametrize(("name", "kernel", "dtype", "stored"), CASES)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_kernels_are_the_reference(cupy, name, kernel, dtype, stored, data) -> None:
    lengths = [data.draw(st.integers(1, 90)) for _ in kernel]
    groups, batch = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    filters = groups * data.draw(st.integers(1, 2))
    out = tuple(data.draw(st.integers(1, 90)) for _ in kernel)
    start = tuple(data.draw(st.integers(-5, 5)) for _ in kernel)
    form = form_of(
        kernel, dtype, batch=batch, filters=filters, groups=groups,
        sizes=tuple(lengths), start=start, out=out,
    )  # fmt: skip
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    # What lies around the input must not be read: it would be seen.
    step = data.draw(st.sampled_from([1, 2]))
    around = np.full((batch, groups, *(step * n + 6 for n in lengths)), 99).astype(stored)
    x = around[(..., *(slice(3, 3 + step * n, step) for n in lengths))]
    x[:] = random.integers(0, 50, x.shape)
    w = kernels_of(form, random)
    y = cupy.empty(form.out_shape, dtype)
    on_device = cupy.asarray(around)[(..., *(slice(3, 3 + step * n, step) for n in lengths))]
    FAMILIES[name].run(form, on_device, cupy.asarray(w), y, check=never, memory_cap=None)
    # The terms of a kernel are found in floating point.
    close = {"rtol": 1e-5, "atol": 0.2} if name == "separable" else {"rtol": 0, "atol": 0}
    np.testing.assert_allclose(y.get(), convolved(form, x, w), **close)


def test_more_planes_than_a_grid_has_and_an_output_with_gaps(cupy, monkeypatch) -> None:
    monkeypatch.setattr(geometry, "MOST_PLANES", 2)
    form = form_of((3, 3), "float32", batch=5, sizes=(8, 9))
    random = np.random.default_rng(1)
    x = random.integers(0, 9, (5, 1, 8, 9)).astype("uint8")
    w = kernels_of(form, random)
    y = cupy.zeros((5, 1, 10, 22), "float32")[..., ::2]
    direct.run(form, cupy.asarray(x), cupy.asarray(w), y, check=never, memory_cap=None)
    np.testing.assert_array_equal(y.get(), convolved(form, x, w))


@pytest.mark.parametrize(
    ("name", "kernel", "dtype"),
    [("direct", (9, 9), "float32"), ("direct", (5,), "float64"), ("separable", (7, 6), "float32")],
)
def test_threads_of_a_warp_find_what_they_share_in_different_banks(
    cupy, counted, name, kernel, dtype
) -> None:
    form = form_of(kernel, dtype, sizes=(40, 300)[-len(kernel) :])
    x, w = cupy.ones((1, 1, *form.spatial), dtype), cupy.ones((1, 1, *kernel), dtype)
    y = cupy.empty(form.out_shape, dtype)
    FAMILIES[name].run(form, x, w, y, check=never, memory_cap=None)
    turns, least = standin.turns()
    assert least <= turns < 1.05 * least


@pytest.mark.parametrize("k", [2, 3, 9, 15, 31])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("family", [direct, separable])
def test_blocks_fit_into_the_shared_memory_of_every_device(family, k: int, dtype: str) -> None:
    form = form_of((k, k), dtype, sizes=(500, 500))
    assert family.supports(form)
    tile = family.tile_of(form)
    assert family.shared_bytes(form, tile) <= 48 << 10
    assert tile.block[0] * tile.block[1] <= 1024
    grid = geometry.grid(form, tile)
    for count, span, n in zip(grid[:2], tile.span[::-1], form.out[::-1], strict=True):
        assert (count - 1) * span < n <= count * span


@pytest.mark.parametrize(
    ("family", "change"),
    [
        (direct, {"dtype": "complex64"}),
        (direct, {"stride": (2, 1)}),
        (direct, {"dilation": (1, 2)}),
        (direct, {"kernel": (32, 32)}),
        (direct, {"in_channels": 3}),
        (separable, {"dtype": "complex64"}),
        (separable, {"dilation": (1, 2)}),
        (separable, {"kernel": (200, 200)}),
    ],
)
def test_what_a_kernel_cannot_do_is_refused(family, change) -> None:
    assert not family.supports(replace(form_of((3, 3), "float32"), **change))


@nvcc.needed
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
@pytest.mark.parametrize(("k", "dtype"), [(3, "float32"), (9, "float32"), (31, "float64")])
@pytest.mark.parametrize("name", FAMILIES)
def test_devices_keep_sums_in_registers(name, architecture, k, dtype, tmp_path) -> None:
    form = form_of((k, k), dtype, sizes=(500, 500))
    tile = FAMILIES[name].tile_of(form)
    x = np.empty((1, 1, 500, 500), dtype)
    macros = (*types(dtype, dtype, dtype), *geometry.macros(form, tile, x), ("TERMS", 2))
    told = nvcc.told(name, macros, architecture, tmp_path)
    assert "0 bytes spill stores, 0 bytes spill loads" in told
    registers = int(re.search(r"Used (\d+) registers", told)[1])
    shared = int(re.search(r"(\d+) bytes smem", told)[1])
    # Some blocks are on a multiprocessor at a time, so that some compute while others read.
    together = 2 if dtype == "float64" else 3 if k == 9 or name == "separable" else 4
    assert registers * tile.block[0] * tile.block[1] * together <= 65536
    assert shared == FAMILIES[name].shared_bytes(form, tile)


@pytest.mark.parametrize("name", FAMILIES)
def test_plans_for_a_gpu_take_a_kernel_where_there_is_one(name) -> None:
    form = form_of((3, 3), "float32", sizes=(4096, 4096))
    device = gpu("a device")
    moved = (4096 * 4096 + form.outputs) * 4 * device.copy
    assert moved <= by_name(name).cost(form, device, None).seconds < 2 * moved
    steps = replace(form, stride=(2, 2))
    assert by_name("direct").cost(steps, device, None) == channels.cost(steps, device, None)
