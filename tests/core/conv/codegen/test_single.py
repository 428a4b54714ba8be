"""Generated direct convolution against the definition, in every form that it supports."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv import codegen, convolve, convolve_bank
from core.conv.algorithms import direct
from core.conv.blocks import never
from core.conv.codegen import library, single
from core.conv.codegen.direct import Spec, source
from core.conv.codegen.target import host, named
from core.conv.codegen.tiles import choose
from core.conv.normal import NormalForm

pytestmark = pytest.mark.skipif(not codegen.available(), reason="generated kernels are off")

MODES = st.sampled_from(["full", "same", "valid"])
BOUNDARIES = st.sampled_from(["zero", "constant", "reflect", "mirror", "nearest", "wrap"])


def random_array(shape, dtype: str, random: np.random.Generator) -> np.ndarray:
    if np.dtype(dtype).kind in "iu":
        return random.integers(0, 100, shape).astype(dtype)
    x = random.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * random.standard_normal(shape)
    return x.astype(dtype)


def check(x, w, **options) -> None:
    result = convolve(x, w, method="direct", **options)
    if result.dtype.kind in "iu":
        np.testing.assert_array_equal(result, convolve(x, w, method="reference", **options))
        return
    double = np.result_type(result.dtype, "float64")
    expected = convolve(x.astype(double), w.astype(double), method="reference", **options)
    assert result.shape == expected.shape
    size = {"float16": 5e-4}.get(result.dtype.name, w.size * np.finfo(result.dtype).eps)
    scale = abs(w.astype(double)).sum() * abs(x.astype(double)).max() + 1e-30
    assert abs(result - expected).max() <= 2 * size * scale


@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    kernel=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    dtypes=st.sampled_from(
        ["float32", "float64", "complex64", "complex128", "float16", "uint8", "int16", "int64"]
    ),
    mode=MODES,
    boundary=BOUNDARIES,
    seed=st.integers(0, 99),
)
def test_agrees_with_the_definition(shape, kernel, dtypes, mode, boundary, seed) -> None:
    random = np.random.default_rng(seed)
    shape = [min(n, 12) for n in shape] if len(shape) == 3 else shape
    kernel = [min(k, n) for k, n in zip(kernel, shape, strict=False)]
    x, w = random_array(shape, dtypes, random), random_array(kernel, dtypes, random)
    check(x, w.astype("int64") if w.dtype.kind in "iu" else w, mode=mode, boundary=boundary)


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(60, 200), st.integers(60, 300)),
    kernel=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    mode=MODES,
    view=st.sampled_from(["plain", "transposed", "strided", "reversed", "byteswapped", "odd"]),
    seed=st.integers(0, 99),
)
def test_views_and_edges(shape, kernel, mode, view, seed) -> None:
    # Wide enough for an inner part, so that edges and the inner part meet.
    random = np.random.default_rng(seed)
    x, w = random.standard_normal(shape, np.float32), random.standard_normal(kernel, np.float32)
    if view == "transposed":
        x = x.T
    elif view == "strided":
        x = np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3]
    elif view == "reversed":
        x = x[::-1, ::-1]
    elif view == "byteswapped":
        x = x.astype(x.dtype.newbyteorder())
    elif view == "odd":
        raw = np.zeros(x.nbytes + 1, np.uint8)
        raw[1:] = x.reshape(-1).view(np.uint8)
        x = raw[1:].view(np.float32).reshape(shape)
    padded = np.pad(x.astype(float), [(k - 1, k - 1) for k in kernel])
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel)
    full = np.einsum("ijkl,kl->ij", windows, w[::-1, ::-1].astype(float))
    begin = {
        "full": (0, 0),
        "same": [(k - 1) // 2 for k in kernel],
        "valid": [k - 1 for k in kernel],
    }
    size = {
        "full": full.shape,
        "same": x.shape,
        "valid": [n - k + 1 for n, k in zip(x.shape, kernel, strict=True)],
    }
    window = tuple(slice(b, b + m) for b, m in zip(begin[mode], size[mode], strict=True))
    result = convolve(x, w, mode, method="direct")
    np.testing.assert_allclose(result, full[window], rtol=0, atol=1e-4)


@pytest.mark.parametrize("boundary", ["zero", "reflect"])
def test_long_lines_are_computed_in_blocks(monkeypatch, boundary) -> None:
    random = np.random.default_rng(3)
    x, w = random_array(5000, "float32", random), random_array(7, "float32", random)
    short = convolve(x, w, boundary=boundary, method="direct")
    monkeypatch.setattr(single, "_LONG", 100)
    single._pictured.cache_clear()
    check(x, w, boundary=boundary)
    # Sums are made in the same order.
    np.testing.assert_array_equal(convolve(x, w, boundary=boundary, method="direct"), short)
    single._pictured.cache_clear()


@settings(max_examples=30)
@given(
    spatial=st.tuples(st.integers(6, 20), st.integers(6, 40)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.integers(1, 3),
    batch=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_dilation_groups_and_batches(spatial, kernel, dilation, channels, batch, seed) -> None:
    random = np.random.default_rng(seed)
    x = random.standard_normal((batch, channels, *spatial)).astype(np.float32)
    w = random.standard_normal((2 * channels, 1, *kernel)).astype(np.float32)
    form = NormalForm(
        batch, channels, 2 * channels, channels, spatial, kernel, (1, 2), spatial, (1, 1),
        dilation, "float32",
    )  # fmt: skip
    assert single.supports(form)
    out, expected = (np.full(form.out_shape, np.nan, np.float32) for _ in range(2))
    single.run(form, x, w, out, check=never, memory_cap=None)
    direct.numpy_run(form, x, w, expected, never)
    np.testing.assert_allclose(out, expected, atol=1e-4)


def test_a_bank_of_kernels() -> None:
    random = np.random.default_rng(0)
    x, bank = random.standard_normal((2, 70, 90)), random.standard_normal((3, 5, 5))
    result = convolve_bank(x, bank, "same", method="direct", axes=(1, 2))
    for o in range(3):
        np.testing.assert_allclose(
            result[o], convolve(x, bank[o], "same", method="direct", axes=(1, 2)), atol=1e-12
        )


def test_many_blocks_are_one_result() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((900, 1300)).astype(np.float32)
    w = random.standard_normal((11, 7)).astype(np.float32)
    whole = convolve(x, w, "same", method="direct")
    capped = convolve(x, w, "same", method="direct", memory_cap=whole.nbytes + 200_000)
    np.testing.assert_array_equal(whole, capped)
    part = convolve(x[100:200, 200:400].astype(float), w.astype(float), "valid")
    np.testing.assert_allclose(whole[105:195, 203:397], part, rtol=0, atol=1e-3)


def test_infinity_stays_where_it_belongs() -> None:
    # Lanes and rows beside an output never reach it.
    x = np.zeros((80, 200), np.float32)
    x[40, 100] = np.inf
    result = convolve(x, np.ones((3, 5), np.float32), "same", method="direct")
    rows, columns = np.nonzero(~np.isfinite(result))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (39, 41, 98, 102)


def test_integers_are_exact_near_the_limit() -> None:
    x = np.full((40, 70), 2**30, np.int64) + np.arange(70)
    w = np.array([[2**31 - 5, -(2**31) + 7, 3]], np.int64)
    check(x, w, mode="same")


@pytest.mark.parametrize("cpu", ["cortex-a78", "cortex-a15", "x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("height", [1, 3, 20])
def test_sums_stay_in_registers(cpu: str, height: int) -> None:
    target = named(cpu)
    tile = choose(target, 4, 1, height, 100, 1000)
    spec = Spec("float32", "float32", False, tile, height if height < tile.rows else None)
    text = library.assembly(source(spec, target), target)
    # A spill moves a vector register to or from the stack.
    spills = [line for line in text.splitlines() if "Spill" in line or "Reload" in line]
    vectors = ("ymm", "zmm", "\tq", "d16")
    assert not [line for line in spills if any(name in line for name in vectors)]
    assert ("fmla" in text) or ("vfma" in text)


@settings(max_examples=100)
@given(
    itemsize=st.sampled_from([4, 8]),
    parts=st.sampled_from([1, 2]),
    height=st.integers(1, 40),
    rows=st.integers(1, 50),
    columns=st.integers(1, 400),
)
def test_tiles_fit(itemsize, parts, height, rows, columns) -> None:
    tile = choose(host(), itemsize, parts, height, rows, columns * parts)
    assert 1 <= tile.rows <= rows
    assert 1 <= tile.columns <= columns * parts
    assert tile.lanes % parts == 0
    assert parts * tile.rows * tile.vectors <= max(parts, host().registers // 2)


def test_wide_planes_take_whole_registers() -> None:
    for cpu, lanes, sums in (("x86-64-v4", 16, 15), ("x86-64-v3", 8, 6), ("cortex-a78", 4, 15)):
        tile = choose(named(cpu), 4, 1, 31, 500, 2000)
        assert tile.lanes == lanes
        assert tile.rows * tile.vectors >= sums
