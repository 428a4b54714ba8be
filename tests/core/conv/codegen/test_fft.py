"""Convolution by generated tile FFTs against the definition, whatever the arrays look like."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv import codegen, convolve
from core.conv.algorithms import fft_tiled, reference
from core.conv.blocks import never
from core.conv.codegen import fft
from core.conv.device import cpu
from core.conv.normal import NormalForm
from core.conv.overlap_save import error_bound
from core.errors import Cancelled


def values(shape: tuple, dtype: str, random: np.random.Generator) -> np.ndarray:
    result = random.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        return (result + 1j * random.standard_normal(shape)).astype(dtype)
    return result.astype(dtype)


def sized(n: int, lowest: int, highest: int) -> st.SearchStrategy:
    return st.tuples(*[st.integers(lowest, highest)] * n)


@st.composite
def forms(draw: st.DrawFn) -> NormalForm:
    ndim = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 2))
    stride = draw(st.one_of(st.just((1,) * ndim), sized(ndim, 1, 3)))
    return NormalForm(
        batch=draw(st.integers(1, 3)),
        in_channels=groups * draw(st.integers(1, 3)),
        out_channels=groups * draw(st.integers(1, 3)),
        groups=groups,
        spatial=draw(sized(ndim, 1, 5)),
        kernel=draw(sized(ndim, 1, 4)),
        start=draw(sized(ndim, -2, 3)),
        out=draw(sized(ndim, 1, 6)),
        stride=stride,
        dilation=draw(sized(ndim, 1, 2)),
        dtype=draw(st.sampled_from(["float32", "float64", "complex64", "complex128"])),
    )


LAYOUTS = ["plain", "reversed", "transposed", "other dtype", "big-endian", "unaligned"]


def laid_out(x: np.ndarray, layout: str) -> np.ndarray:
    """The same numbers, lying in memory in another way."""
    match layout:
        case "reversed":
            return np.ascontiguousarray(x[..., ::-1])[..., ::-1]
        case "transposed":
            return np.ascontiguousarray(x.T).T
        case "other dtype":
            return x.astype("complex128" if x.dtype.kind == "c" else "float64")
        case "big-endian":
            return x.astype(x.dtype.newbyteorder(">"))
        case "unaligned":
            raw = np.empty(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
            raw[...] = x
            return raw
    return x


@settings(max_examples=120)
@given(forms(), st.sampled_from(LAYOUTS), st.integers(0, 99), st.data())
def test_every_form_is_the_definition(form, layout, seed, data) -> None:
    random = np.random.default_rng(seed)
    x = values((form.batch, form.in_channels, *form.spatial), form.dtype, random)
    w = values((form.out_channels, form.group_channels, *form.kernel), form.dtype, random)
    expected, result = (np.full(form.out_shape, np.nan, form.dtype) for _ in range(2))
    reference.run(form, x, w, expected, check=never, memory_cap=None)
    # The smallest tiles: each further one would be compiled for one example.
    how = data.draw(st.sampled_from(fft.tilings(form)[:2]))
    target = laid_out(result, data.draw(st.sampled_from(["plain", "transposed"])))
    fft.run(form, laid_out(x, layout), w, target, how, cpu(), check=never)
    accuracy = 1e-5 if form.dtype in ("float32", "complex64") else 1e-13
    scale = np.abs(w).sum() * np.abs(x).max()
    assert np.abs(target - expected).max() <= accuracy * scale


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize(
    ("spatial", "kernel", "channels"),
    [
        ((40_000,), (700,), 1),
        ((300, 400), (41, 23), 1),
        ((150, 90), (9, 9), 3),
        ((40, 40, 40), (5, 5, 5), 1),
    ],
)
def test_errors_stay_below_the_bound_and_tiles_meet(dtype, spatial, kernel, channels) -> None:
    random = np.random.default_rng(3)
    ndim = len(spatial)
    form = NormalForm(
        1, channels, channels, 1, spatial, kernel, (0,) * ndim,
        tuple(n + k - 1 for n, k in zip(spatial, kernel, strict=True)),
        (1,) * ndim, (1,) * ndim, dtype,
    )  # fmt: skip
    x = values((1, channels, *spatial), dtype, random)
    w = values((channels, channels, *kernel), dtype, random)
    wide = "complex128" if dtype == "complex64" else "float64"
    truth = np.stack(
        [
            sum(
                convolve(x[0, c].astype(wide), w[o, c].astype(wide), method="fft-whole")
                for c in range(channels)
            )
            for o in range(channels)
        ]
    )
    scale = np.abs(w).sum(axis=tuple(range(1, w.ndim))).max() * np.abs(x).max()
    for how in fft.tilings(form)[:3]:
        out = np.full(form.out_shape, np.nan, dtype)
        fft.run(form, x, w, out, how, cpu(), check=never)
        # In double precision, the truth has as large an error as the result.
        slack = 2 if dtype == "float64" else 1
        assert np.abs(out[0] - truth).max() <= slack * error_bound(form, how) * scale


def test_integers_are_exact() -> None:
    random = np.random.default_rng(4)
    x = random.integers(0, 256, (150, 170), np.uint8)
    w = random.integers(-9, 9, (17, 13)).astype(np.int64)
    np.testing.assert_array_equal(
        convolve(x, w, method="fft-tiled"), convolve(x.astype(np.int64), w, method="direct")
    )


def test_one_tile_full_of_large_numbers_does_not_blur_its_neighbour() -> None:
    """Two tiles ride in one complex tile: what crosses over is rounding of the larger."""
    random = np.random.default_rng(5)
    x = random.standard_normal(4000).astype(np.float32)
    x[:2000] *= 1e6
    w = random.standard_normal(64).astype(np.float32)
    error = np.abs(convolve(x, w, method="fft-tiled") - np.convolve(x.astype(float), w)).max()
    assert error <= 1e-6 * np.abs(w).sum() * np.abs(x).max()


def test_memory_stays_within_the_prediction_and_the_cap() -> None:
    random = np.random.default_rng(6)
    for shape, kernel, channels in [((1200, 1300), (65, 65), 1), ((90, 100), (9, 9), 6)]:
        form = NormalForm(
            2, channels, channels, 1, shape, kernel, (5, 5), shape, (1, 1), (1, 1), "float32"
        )
        x = values((2, channels, *shape), "float64", random)
        w = values((channels, channels, *kernel), "float32", random)
        out = np.empty(form.out_shape, np.float32)
        least = min(fft.cost(form, cpu(), how).bytes for how in fft.tilings(form))
        for cap in (None, least):
            predicted = fft_tiled.cost(form, cpu(), cap).bytes
            assert cap is None or predicted <= cap
            fft_tiled.run(form, x, w, out, check=never, memory_cap=cap)
            tracemalloc.start()
            fft_tiled.run(form, x, w, out, check=never, memory_cap=cap)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak <= 1.1 * predicted + 100_000


def test_work_is_interrupted_between_pieces(monkeypatch) -> None:
    # With one worker, all pieces are the caller's, and the caller alone checks.
    one = replace(cpu(), workers=1)
    monkeypatch.setattr(fft_tiled, "device_of", lambda x: one)
    form = NormalForm(
        1, 1, 1, 1, (3000, 3000), (9, 9), (4, 4), (3000, 3000), (1, 1), (1, 1), "float32"
    )
    x, w = np.zeros((1, 1, 3000, 3000), np.float32), np.ones((1, 1, 9, 9), np.float32)
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise Cancelled("stop")

    with pytest.raises(Cancelled):
        fft_tiled.run(form, x, w, np.empty_like(x), check=check, memory_cap=None)
    assert calls == 4


def test_memory_mapped_input_and_output(tmp_path) -> None:
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float32, (1, 1, 500, 600))
    out = np.lib.format.open_memmap(tmp_path / "y.npy", "w+", np.float32, (1, 1, 500, 600))
    x[...] = np.random.default_rng(8).standard_normal(x.shape)
    w = np.random.default_rng(9).standard_normal((1, 1, 21, 21)).astype(np.float32)
    form = NormalForm(
        1, 1, 1, 1, (500, 600), (21, 21), (10, 10), (500, 600), (1, 1), (1, 1), "float32"
    )
    fft_tiled.run(form, x, w, out, check=never, memory_cap=None)
    expected = convolve(np.array(x[0, 0]), w[0, 0], "same", method="direct")
    np.testing.assert_allclose(out[0, 0], expected, atol=1e-3)


def test_the_price_is_that_of_the_path_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    form = NormalForm(
        1, 1, 1, 1, (999, 999), (31, 31), (15, 15), (999, 999), (1, 1), (1, 1), "float32"
    )
    generated = fft_tiled.cost(form, cpu(), None)
    fft_tiled._choose.cache_clear()
    monkeypatch.setattr(codegen, "available", lambda: False)
    plain = fft_tiled.cost(form, cpu(), None)
    fft_tiled._choose.cache_clear()
    assert generated.seconds < plain.seconds / 3
