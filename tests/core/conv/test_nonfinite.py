"""NaN and infinity reach the same outputs with every algorithm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import ALGORITHMS, conv, convolve, correlate
from core.conv.boundary import BOUNDARIES
from core.conv.nonfinite import peak
from core.errors import AlgorithmRefused

NAMES = [
    algorithm.name
    for algorithm in ALGORITHMS
    if algorithm.name not in ("cudnn", "reference", "winograd")
]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0]


def sprinkled(shape: tuple[int, ...], dtype: str, share: float, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)

    def real() -> np.ndarray:
        plain = random.integers(-3, 4, shape).astype(float)
        return np.where(random.random(shape) < share, random.choice(SPECIAL, shape), plain)

    x = np.empty(shape, dtype)
    x.real = real()
    if x.dtype.kind == "c":
        x.imag = real()
    return x


def assert_same(result: np.ndarray, expected: np.ndarray) -> None:
    # NaN and infinity exactly; the parts of a complex number each by itself.
    for part, wanted in ((result.real, expected.real), (result.imag, expected.imag)):
        np.testing.assert_allclose(part, wanted, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100)
@given(
    function=st.sampled_from([convolve, correlate]),
    shapes=st.sampled_from([((9,), (3,)), ((8,), (4,)), ((6, 7), (3, 2)), ((4, 3, 5), (2, 3, 1))]),
    dtype=st.sampled_from(["float32", "float64", "complex64", "complex128"]),
    shares=st.sampled_from([(0.1, 0), (0.5, 0), (0, 0.2), (0.2, 0.2)]),
    mode=st.sampled_from(["full", "same", "valid"]),
    boundary=st.sampled_from(BOUNDARIES),
    seed=st.integers(0, 1000),
)
def test_single_channel(name, function, shapes, dtype, shares, mode, boundary, seed) -> None:
    x = sprinkled(shapes[0], dtype, shares[0], seed)
    w = sprinkled(shapes[1], dtype, shares[1], seed + 1)
    expected = function(x, w, mode, boundary, "reference")
    try:
        result = function(x, w, mode, boundary, name)
    except AlgorithmRefused:
        assert name == "separable"
        return
    assert_same(result, expected)


@pytest.mark.parametrize("name", ["direct", "fft-tiled", "fft-whole"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_many_channels(name: str, dtype: str) -> None:
    for seed in range(8):
        x = sprinkled((2, 4, 7, 6), dtype, 0.05, seed)
        w = sprinkled((6, 2, 3, 2), dtype, 0.05 * (seed % 2), seed + 1)
        options = {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
        assert_same(conv(x, w, **options, method=name), conv(x, w, **options, method="reference"))


@pytest.mark.parametrize("name", NAMES)
def test_one_nan_reaches_its_footprint_and_no_more(name: str) -> None:
    x = np.ones((64, 64), np.float32)
    x[30, 20] = np.nan
    result = convolve(x, np.outer([1.0, 2, 1], [1.0, 0, 1]).astype(np.float32), "same", method=name)
    expected = np.zeros_like(x, bool)
    expected[29:32, 19:22] = True
    np.testing.assert_array_equal(np.isnan(result), expected)


@pytest.mark.parametrize("name", NAMES)
def test_an_infinite_kernel_meets_nothing_outside(name: str) -> None:
    if name == "separable":
        pytest.skip("its kernels are finite")
    result = convolve(np.ones(3), np.array([np.inf, 1.0, 1.0]), method=name)
    np.testing.assert_array_equal(result, [np.inf, np.inf, np.inf, 2, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_magnitudes_that_a_transform_would_overflow(name: str, dtype: str) -> None:
    random = np.random.default_rng(0)
    x, w = random.standard_normal((40, 40)), np.outer(*random.standard_normal((2, 5)))
    expected = convolve(x, w, method="reference")
    huge = 2.0 ** (np.finfo(dtype).maxexp - 10)
    for a, b in [(huge, 1.0), (1.0, huge), (huge, 1 / huge), (1 / huge, 1.0), (1 / huge, huge)]:
        result = convolve((x * a).astype(dtype), (w * b).astype(dtype), method=name)
        np.testing.assert_allclose(
            result.astype(np.float64) / a / b, expected, atol=np.finfo(dtype).eps * 100
        )


def test_peak() -> None:
    assert peak(np.array([3, -7])) == 7
    assert peak(np.array([1 + 2j, -4j])) == 4
    assert np.isnan(peak(np.array([np.inf, np.nan])))
    assert np.isnan(peak(np.array([complex(0, np.nan)])))
    assert peak(np.array([-np.inf, 1])) == np.inf
