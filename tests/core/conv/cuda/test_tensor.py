"""Tensor cores: rounded numbers, sums of float32; for who allows it, and nobody else."""

import re
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv import conv, convolve, convolve_bank, plan
from core.conv.algorithms import by_name
from core.conv.blocks import never
from core.conv.capturable import capturable
from core.conv.cuda import channels, tensor
from core.conv.cuda.launch import types
from core.conv.device import cpu, device_of, gpu
from core.conv.gradients import conv_input_gradient, conv_weight_gradient
from core.conv.precision import product_error
from core.conv.problem import multi_channel_problem
from core.nets.blas import product
from tests.core.conv.cuda import fragments, nvcc, standin
from tests.core.conv.cuda.layers import assert_exact, layers

HOPPER = gpu("with tensor cores", 99 << 10, (9, 0))
# Taps, a group's output channels, what is multiplied, what is stored: each shape of a block.
CASES = [
    ((3, 2), 3, "tf32", "uint8"),
    ((5,), 20, "bfloat16", "int16"),
    ((2, 1, 3), 40, "float16", "float16"),
    ((3, 3), 130, "tf32", "float32"),
]


def layer(outputs: int, precision: str, inputs: int = 64):
    shapes = (4, inputs, 56, 56), (outputs, inputs, 3, 3)
    form = multi_channel_problem(*shapes, "float32", "float32").normal
    return replace(form, precision=precision)


def bound(x: np.ndarray, w: np.ndarray, form) -> float:
    """What direct convolution promises for an output of each of these kernels."""
    largest = np.abs(w.astype(float)).reshape(len(w), -1).sum(1).max() * np.abs(x).max()
    return by_name("direct").error_bound(form) * largest


@pytest.mark.parametrize("precision", fragments.PLACES)
def test_the_emulated_cores_multiply_matrices(cupy, precision) -> None:
    random, depth = np.random.default_rng(1), 8 * fragments.PLACES[precision]
    a, b = (
        fragments.rounded(random.standard_normal((n, depth)).astype("f"), precision)
        for n in (fragments.ROWS, fragments.COLUMNS)
    )
    expected = a.astype(float) @ b.T.astype(float)
    found = fragments.product(cupy, precision, a, b)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2.0**-22 * depth)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(
        st.floats(-(2.0**126), 2.0**126, width=32, allow_subnormal=False), min_size=1, max_size=8
    ),
    beside=st.integers(-2, 2),
)
def test_numbers_are_rounded_to_the_nearest(cupy, precision, numbers, beside) -> None:
    depth = 8 * fragments.PLACES[precision]
    a = np.zeros((fragments.ROWS, depth), "float32")
    a[0, : len(numbers)] = numbers
    # In the middle between two, and next to it.
    middle = 0x1000 if precision == "tf32" else 0x8000
    a[1] = ((a[0].view(np.int32) & ~0x1FFFF) + middle + beside).view("float32") * (a[0] != 0)
    one = np.eye(fragments.COLUMNS, depth, dtype="float32")
    found = fragments.product(cupy, precision, a, one)[:, :8]
    np.testing.assert_array_equal(found, fragments.rounded(a[:, :8], precision))


@pytest.mark.parametrize(("taps", "outputs", "precision", "stored"), CASES)
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layer=layers(6))
def test_whole_numbers_are_convolved_exactly(cupy, taps, outputs, precision, stored, layer) -> None:
    if len(taps) == 3:
        layer = layer | {"side": 3}
    how = {"stored": stored, "dtype": "float32", "precision": precision}
    assert_exact(cupy, tensor, layer, taps, outputs, **how)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_what_is_allowed_is_used_and_stays_within_its_bound(cupy, precision) -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((2, 32, 9, 8)).astype("f")
    w = random.standard_normal((32, 32, 3, 3)).astype("f")
    options = {"padding": 1, "method": "direct"}
    xs, ws = cupy.asarray(x), cupy.asarray(w)
    exact = conv(x.astype(float), w.astype(float), **options)
    y = conv(xs, ws, **options, precision=precision).get()
    problem = multi_channel_problem(
        x.shape, w.shape, x.dtype, w.dtype, padding=1, precision=precision
    )
    allowed = bound(x, w, problem.normal)
    assert np.abs(y - exact).max() <= allowed
    ours = (fragments.rounded(a, precision).astype(float) for a in (x, w))
    np.testing.assert_allclose(y, conv(*ours, **options), atol=1e-4)
    assert np.abs(y - exact).max() > 1e-3
    # Nobody else gets it: these are the bits of the kernel without tensor cores.
    single = conv(xs, ws, **options).get()
    form = replace(problem.normal, precision="float32")
    out = cupy.empty(form.out_shape, "float32")
    reverse = ws[..., ::-1, ::-1]
    channels.run(form, xs, reverse, out, check=never, memory_cap=None)
    np.testing.assert_array_equal(single, out.get())
    dy = random.standard_normal(y.shape).astype("f")
    for found, expected, largest in [
        (
            conv_input_gradient(cupy.asarray(dy), ws, x.shape, **options, precision=precision),
            conv_input_gradient(dy, w, x.shape, **options),
            bound(dy, w.swapaxes(0, 1), problem.normal),
        ),
        (
            conv_weight_gradient(xs, cupy.asarray(dy), w.shape, **options, precision=precision),
            conv_weight_gradient(x, dy, w.shape, **options),
            bound(x, dy.swapaxes(0, 1), problem.normal),
        ),
    ]:
        difference = np.abs(found.get() - expected).max()
        assert 1e-3 < difference <= largest


def test_half_precision_loses_nothing(cupy) -> None:
    random = np.random.default_rng(6)
    x = random.standard_normal((1, 32, 9, 8)).astype("float16")
    w = random.standard_normal((32, 32, 3, 3)).astype("float16")
    told = plan(x, w, "conv", device=device_of(cupy.asarray(x)), method="direct")
    assert told.products == "float16"
    found = conv(cupy.asarray(x), cupy.asarray(w), method="direct")
    assert found.dtype == "float16"
    expected = conv(x.astype(float), w.astype(float))
    np.testing.assert_allclose(found.get(), expected, rtol=2.0**-10, atol=1e-3)


@pytest.mark.parametrize(
    ("method", "channels_in", "outputs"),
    [("direct", 1, 1), ("separable", 1, 1), ("fft-tiled", 1, 1), ("direct", 2, 3),
     ("direct", 32, 40)],
)  # fmt: skip
def test_half_results_are_rounded_once(cupy, method, channels_in, outputs) -> None:
    random = np.random.default_rng(10)
    x = random.integers(0, 90, (1, channels_in, 30, 31)).astype("float16")
    w = np.outer(random.integers(-9, 9, 3), random.integers(1, 9, 5)).astype("float16")
    w = np.broadcast_to(w, (outputs, channels_in, 3, 5)) * random.choice(
        [-1, 1, 16], (outputs, 1, 1, 1)
    )
    w = w.astype("float16")
    problem = multi_channel_problem(x.shape, w.shape, x.dtype, w.dtype)
    algorithm, device = by_name(method), device_of(cupy.asarray(x))
    assert algorithm.rounds(replace(problem.normal, rank=1), device)
    assert not algorithm.rounds(problem.normal, cpu())
    found = conv(cupy.asarray(x), cupy.asarray(w), method=method).get()
    # Whole sums are exact in float32, and some are beyond what float16 holds.
    sums = conv(x.astype("int64"), w.astype("int64"))
    with np.errstate(over="ignore"):
        expected = sums.astype("float16")
    # Transforms and terms are rounded themselves: what lies in the middle may go either way.
    close = {"rtol": 0.0 if method == "direct" else 2.0**-10, "atol": 0}
    np.testing.assert_allclose(found, expected, **close)
    assert np.abs(sums).max() > 65504 or channels_in == 1
    assert (found != sums).any()


@pytest.mark.parametrize(
    ("precision", "place", "value"),
    [
        ("tf32", "x", np.nan),
        ("bfloat16", "w", np.inf),
        ("tf32", "w", 3.4028e38),
        ("bfloat16", "x", 3.397e38),
    ],
)
def test_what_is_not_finite_or_would_become_so(cupy, precision, place, value) -> None:
    random = np.random.default_rng(7)
    x = random.integers(-3, 4, (1, 8, 20, 20)).astype("f")
    w = random.integers(-1, 2, (16, 8, 3, 3)).astype("f") / 4
    (x if place == "x" else w)[0, 5, 1, 2] = value
    options = {"padding": 1, "dilation": 2, "method": "direct"}
    expected = conv(x, w, **options)
    y = conv(cupy.asarray(x), cupy.asarray(w), **options, precision=precision).get()
    np.testing.assert_array_equal(y, expected)
    assert np.isfinite(y).any()


def test_banks_of_kernels_are_products_of_matrices_too(cupy) -> None:
    random = np.random.default_rng(8)
    x = random.integers(0, 9, (20, 21)).astype("uint8")
    bank = random.integers(-9, 9, (40, 5, 5)).astype("f")
    found = convolve_bank(cupy.asarray(x), cupy.asarray(bank), precision="bfloat16")
    np.testing.assert_array_equal(found.get(), convolve_bank(x, bank))
    told = plan((4096, 4096), (64, 9, 9), dtype="float32", bank=True, precision="bfloat16",
                device=HOPPER)  # fmt: skip
    assert (told.chosen, told.products) == ("direct", "bfloat16")
    # One kernel alone is no matrix.
    assert convolve(cupy.asarray(x), cupy.asarray(bank[0]), precision="tf32").dtype == "float32"
    alone = plan((4096, 4096), (9, 9), dtype="float32", precision="tf32", device=HOPPER)
    assert alone.products == "float32"


def test_threads_of_a_warp_find_what_they_multiply_in_different_banks(cupy, counted) -> None:
    x, w = cupy.ones((1, 16, 12, 12), "float32"), cupy.ones((128, 16, 3, 3), "float32")
    conv(x, w, method="direct", precision="bfloat16")
    turns, least = standin.turns()
    # But for weights, which two threads write to a row, as they lie in the device's memory.
    assert least <= turns < 1.15 * least


@pytest.mark.parametrize("capability", [(0, 0), (7, 5), (8, 0)])
def test_devices_without_them_multiply_float32(capability) -> None:
    form, device = layer(64, "tf32"), gpu("a device", 99 << 10, capability)
    direct = by_name("direct")
    if capability < (8, 0):
        assert direct.products(form, device) == "float32"
        assert direct.cost(form, device, None) == channels.cost(form, device, None)
    else:
        assert direct.products(form, device) == "tf32"
        assert direct.cost(form, device, None) == tensor.cost(form, device, None)
        assert direct.cost(form, device, None).seconds < channels.cost(form, device, None).seconds


@pytest.mark.parametrize("method", ["winograd", "fft-whole"])
def test_libraries_do_not_round_either(cupy, method) -> None:
    random = np.random.default_rng(9)
    x = random.standard_normal((2, 8, 12, 12)).astype("f")
    w = random.standard_normal((8, 8, 3, 3)).astype("f")
    xs, ws = cupy.asarray(x), cupy.asarray(w)
    expected = conv(xs, ws, method=method).get()
    linalg = standin.LINALG
    # As CuPy is with CUPY_TF32=1.
    linalg.set_compute_type(np.float32, linalg.COMPUTE_TYPE_TF32)
    try:
        np.testing.assert_array_equal(conv(xs, ws, method=method).get(), expected)
        flat = xs.reshape(2, -1)
        found = product(flat, flat.T).get()
        np.testing.assert_array_equal(found, flat.get() @ flat.get().T)
        assert (found != cupy.matmul(flat, flat.T).get()).any()
        assert linalg.get_compute_type(np.float32) == linalg.COMPUTE_TYPE_TF32
    finally:
        linalg.set_compute_type(np.float32, linalg.COMPUTE_TYPE_DEFAULT)


@pytest.mark.parametrize("held", [nullcontext, capturable], ids=["cuBLAS", "captured"])
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_products_of_matrices_are_rounded_where_that_is_allowed(cupy, precision, held) -> None:
    random = np.random.default_rng(11)
    a, b = (random.standard_normal(shape).astype("f") for shape in ((32, 300), (300, 40)))
    with held():
        exact, found = (
            product(cupy.asarray(a), cupy.asarray(b), allowed).get().astype(float)
            for allowed in ("float32", precision)
        )
    # Cut rather than rounded, as cuBLAS may, tf32 is wrong by twice as much; so is each sum.
    sums, largest = 2 * 300 * 2.0**-24, np.abs(a).astype(float) @ np.abs(b)
    assert (np.abs(exact - a.astype(float) @ b) <= sums * largest).all()
    wrong = np.abs(found - a.astype(float) @ b)
    assert (wrong <= (2 * product_error(precision) + sums) * largest).all()
    assert wrong.max() > 1e-3
    linalg = standin.LINALG
    assert linalg.get_compute_type(np.float32) == linalg.COMPUTE_TYPE_DEFAULT


def test_what_nobody_allows_is_refused() -> None:
    assert tensor.supports(layer(64, "bfloat16"))
    assert not tensor.supports(layer(64, "float32"))
    assert not tensor.supports(replace(layer(64, "tf32"), dtype="float64"))


@nvcc.needed
@pytest.mark.parametrize(
    ("architecture", "outputs", "inputs", "precision"),
    [
        ("sm_80", 128, 3, "tf32"),
        ("sm_90", 128, 64, "bfloat16"),
        ("sm_90", 64, 64, "float16"),
    ],
)
def test_devices_keep_sums_in_registers(architecture, outputs, inputs, precision, tmp_path) -> None:
    form = layer(outputs, precision, inputs)
    stored = "float16" if precision == "float16" else "float32"
    macros = (*types("float32", stored, stored), *tensor.macros(form))
    told = nvcc.told("tensor", macros, architecture, tmp_path)
    # As of channels.cu: what is needed once a tap, or before and after the loop.
    assert int(re.search(r"(\d+) bytes spill stores", told)[1]) <= 64
    assert int(re.search(r"Used (\d+) registers", told)[1]) * 512 <= 65536
    assert int(re.search(r"(\d+) bytes smem", told)[1]) <= 48 << 10
