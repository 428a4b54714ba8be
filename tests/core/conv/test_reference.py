"""The reference, which all other tests lean on, against SciPy and against plain sums."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import conv, convolve, correlate

SIGNAL = {convolve: scipy.signal.convolve, correlate: scipy.signal.correlate}
NDIMAGE = {convolve: scipy.ndimage.convolve, correlate: scipy.ndimage.correlate}
DTYPES = ("float32", "float64", "complex64", "complex128", "int32", "int64", "uint8", "uint16")


@st.composite
def shapes(draw: st.DrawFn, largest: int = 6) -> tuple[tuple[int, ...], tuple[int, ...]]:
    ndim = draw(st.integers(1, 3))
    sizes = st.tuples(*[st.integers(1, largest if ndim < 3 else 4)] * ndim)
    return draw(sizes), draw(sizes)


def values(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind in "iu":
        # 64 products of bytes still fit a byte.
        return random.integers(0, 2 if dtype == "uint8" else 5, shape).astype(dtype)
    real = random.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        return (real + 1j * random.standard_normal(shape)).astype(dtype)
    return real.astype(dtype)


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("function", [convolve, correlate])
@settings(max_examples=25)
@given(shapes(), st.sampled_from(DTYPES), st.sampled_from(DTYPES), st.integers(0, 99))
def test_zero_boundary_is_scipy_signal(function, mode, sizes, x_dtype, w_dtype, seed) -> None:
    x, w = values(sizes[0], x_dtype, seed), values(sizes[1], w_dtype, seed + 1)
    dtype = np.result_type(x, w)
    try:
        # Of two dtypes SciPy casts the result's memory before it fills it, whatever lies there.
        expected = SIGNAL[function](x.astype(dtype), w.astype(dtype), mode, method="direct")
    except ValueError:
        with pytest.raises(ValueError, match="kernel"):
            function(x, w, mode, method="reference")
        return
    result = function(x, w, mode, method="reference")
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("boundary", ["constant", "reflect", "mirror", "nearest", "wrap"])
@pytest.mark.parametrize("function", [convolve, correlate])
@settings(max_examples=25)
@given(shapes(), st.floats(-3, 3), st.integers(0, 99))
def test_other_boundaries_are_scipy_ndimage(function, boundary, sizes, cval, seed) -> None:
    x, w = values(sizes[0], "float64", seed), values(sizes[1], "float64", seed + 1)
    expected = NDIMAGE[function](x, w, mode=boundary, cval=cval)
    result = function(x, w, "same", boundary, "reference", cval)
    np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("boundary", ["constant", "reflect", "mirror", "nearest", "wrap"])
def test_mode_full_extends_the_outside(boundary: str) -> None:
    x, w = np.arange(1.0, 5.0), np.array([1.0, 10.0, 100.0])
    pad = {"reflect": "symmetric", "mirror": "reflect", "nearest": "edge"}.get(boundary, boundary)
    options = {"constant_values": 7} if boundary == "constant" else {}
    wide = np.pad(x, 2, mode=pad, **options)
    result = convolve(x, w, "full", boundary, "reference", 7)
    np.testing.assert_allclose(result, np.convolve(wide, w, "valid"))


def test_mode_valid_needs_no_boundary() -> None:
    x, w = np.arange(1.0, 9.0), np.array([1.0, 2.0, 4.0])
    for boundary in ("constant", "reflect", "mirror", "nearest", "wrap"):
        result = convolve(x, w, "valid", boundary, "reference", 7)
        np.testing.assert_array_equal(result, np.convolve(x, w, "valid"))


@settings(max_examples=30)
@given(
    n=st.integers(1, 2),
    groups=st.integers(1, 2),
    per_group=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    size=st.tuples(st.integers(3, 6), st.integers(3, 6)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_conv_is_its_definition(
    n, groups, per_group, size, kernel, stride, padding, dilation
) -> None:
    random = np.random.default_rng(0)
    channels, outputs = groups * per_group[0], groups * per_group[1]
    x = random.standard_normal((n, channels, *size))
    w = random.standard_normal((outputs, per_group[0], *kernel))
    out = tuple(
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, p, d, k, t in zip(size, padding, dilation, kernel, stride, strict=True)
    )
    if min(out) < 1:
        with pytest.raises(ValueError, match="larger than the padded input"):
            conv(x, w, stride, padding, dilation, groups, "reference")
        return
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    expected = np.zeros((n, outputs, *out))
    for o, i, j in itertools.product(range(outputs), *map(range, out)):
        first = o // per_group[1] * per_group[0]
        seen = padded[
            :,
            first : first + per_group[0],
            i * stride[0] : i * stride[0] + dilation[0] * (kernel[0] - 1) + 1 : dilation[0],
            j * stride[1] : j * stride[1] + dilation[1] * (kernel[1] - 1) + 1 : dilation[1],
        ]
        expected[:, o, i, j] = (seen * w[o]).sum(axis=(1, 2, 3))
    result = conv(x, w, stride, padding, dilation, groups, "reference")
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


def test_conv_does_not_conjugate_and_correlate_does() -> None:
    x, w = np.array([1 + 1j, 2]), np.array([1j])
    np.testing.assert_array_equal(conv(x[None, None], w[None, None])[0, 0], x * 1j)
    np.testing.assert_array_equal(correlate(x, w, method="reference"), x * -1j)
