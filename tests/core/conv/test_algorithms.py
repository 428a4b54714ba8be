"""Every algorithm in the registry against the reference: the meaning never depends on it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.conv import ALGORITHMS, conv, convolve, convolve_bank, correlate
from core.conv.boundary import BOUNDARIES
from core.conv.normal import NormalForm
from core.conv.problem import MODES
from core.errors import AlgorithmRefused, IntegerOverflow

FAST = [
    algorithm
    for algorithm in ALGORITHMS
    if algorithm.name not in ("cudnn", "reference", "winograd")
]
NAMES = [algorithm.name for algorithm in FAST]
DTYPES = ("float16", "float32", "float64", "complex64", "complex128", "uint8", "int16", "int64")
# Rounding of the result's dtype, relative to sum|w| max|x|, with room for a few dozen roundings.
TOLERANCE = {"e": 2e-3, "f": 5e-6, "d": 1e-13, "F": 5e-6, "D": 1e-13}


def values(shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> np.ndarray:
    kind = np.dtype(dtype).kind
    if kind in "iu":
        low = 0 if kind == "u" else -4
        return random.integers(low, 4, shape).astype(dtype)
    real = random.standard_normal(shape)
    if kind == "c":
        return (real + 1j * random.standard_normal(shape)).astype(dtype)
    return real.astype(dtype)


def kernel(shape: tuple[int, ...], dtype: str, random: np.random.Generator) -> np.ndarray:
    """Half of the kernels are outer products, so that integers have something to separate."""
    if random.random() < 0.5:
        return values(shape, dtype, random)
    product = np.ones((), dtype)
    for n in shape:
        product = np.multiply.outer(
            product,
            values((n,), dtype, random) % 3
            if np.dtype(dtype).kind in "iu"
            else values((n,), dtype, random),
        )
    return product.astype(dtype)


def assert_same(result: np.ndarray, expected: np.ndarray, x: np.ndarray, w: np.ndarray) -> None:
    assert result.shape == expected.shape
    assert result.dtype == expected.dtype
    if result.dtype.kind in "iu":
        np.testing.assert_array_equal(result, expected)
        return
    scale = np.abs(w.astype("complex128")).sum() * np.abs(x.astype("complex128")).max()
    error = np.abs(result.astype("complex128") - expected.astype("complex128")).max()
    assert error <= TOLERANCE[result.dtype.char] * scale


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=250)
@given(
    function=st.sampled_from([convolve, correlate]),
    shapes=st.integers(1, 3).flatmap(
        lambda n: st.tuples(*[st.lists(st.integers(1, 7 - n), min_size=n, max_size=n)] * 2)
    ),
    dtypes=st.tuples(*[st.sampled_from(DTYPES)] * 2),
    mode=st.sampled_from(MODES),
    boundary=st.sampled_from(BOUNDARIES),
    seed=st.integers(0, 1000),
)
def test_convolve_and_correlate(name, function, shapes, dtypes, mode, boundary, seed) -> None:
    random = np.random.default_rng(seed)
    x, w = values(tuple(shapes[0]), dtypes[0], random), kernel(tuple(shapes[1]), dtypes[1], random)
    longer = {a > b for a, b in zip(x.shape, w.shape, strict=True) if a != b}
    assume(mode != "valid" or len(longer) < 2)
    try:
        expected = function(x, w, mode, boundary, "reference", 1)
    except IntegerOverflow:
        with pytest.raises((IntegerOverflow, AlgorithmRefused)):
            function(x, w, mode, boundary, name, 1)
        return
    try:
        result = function(x, w, mode, boundary, name, 1)
    except AlgorithmRefused:
        assert name == "separable"
        return
    # The value outside, 1, counts among the inputs.
    assert_same(result, expected, np.append(x, 1), w)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60)
@given(
    ndim=st.integers(1, 2),
    n=st.integers(1, 3),
    groups=st.integers(1, 3),
    per_group=st.tuples(st.integers(1, 3), st.integers(1, 5)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 4),
    dilation=st.integers(1, 2),
    sizes=st.tuples(st.integers(5, 8), st.integers(1, 3)),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 1000),
)
def test_conv(
    name, ndim, n, groups, per_group, stride, padding, dilation, sizes, dtype, seed
) -> None:
    random = np.random.default_rng(seed)
    x = values((n, groups * per_group[0], *(sizes[0],) * ndim), dtype, random)
    w = kernel((groups * per_group[1], per_group[0], *(sizes[1],) * ndim), dtype, random)
    if dtype == "uint8":
        w %= 2
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    expected = conv(x, w, **options, method="reference")
    try:
        result = conv(x, w, **options, method=name)
    except AlgorithmRefused:
        assert name == "separable"
        return
    assert_same(result, expected, x, w)


@pytest.mark.parametrize("operation", ["convolve", "correlate"])
@pytest.mark.parametrize("name", [*NAMES, "auto"])
def test_a_bank_is_its_kernels_one_by_one(name: str, operation: str) -> None:
    random = np.random.default_rng(5)
    x = random.standard_normal((2, 12, 3, 10))
    bank = np.stack([np.outer(*random.standard_normal((2, 3))) for _ in range(5)])
    one = {"convolve": convolve, "correlate": correlate}[operation]
    for mode in MODES:
        result = convolve_bank(x, bank, mode, "reflect", name, axes=(1, -1), operation=operation)
        for o in range(5):
            expected = one(x, bank[o], mode, "reflect", "reference", axes=(1, 3))
            np.testing.assert_allclose(result[o], expected, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_axes_are_convolved_and_the_others_are_batch(name: str) -> None:
    random = np.random.default_rng(6)
    x, w = random.standard_normal((4, 3, 5)), np.outer(*random.standard_normal((2, 3)))
    result = convolve(x, w, "same", method=name, axes=(0, 2))
    for i in range(3):
        np.testing.assert_allclose(
            result[:, i], convolve(x[:, i], w, "same", method="reference"), atol=1e-12
        )
    np.testing.assert_array_equal(
        convolve(x, w[:, None, :], "same", method=name, axes=(0, 2)), result
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((2, 11, 9), (1,)), ((11, 3, 4), (0,)), ((10, 9, 8), (0, 1)), ((6, 3, 7, 13), (0, 2))],
)
@pytest.mark.parametrize("boundary", ["zero", "wrap"])
def test_axes_after_the_convolved_ones_are_batch_however_long(
    name: str, shape: tuple[int, ...], axes: tuple[int, ...], boundary: str
) -> None:
    random = np.random.default_rng(12)
    x, w = random.standard_normal(shape), random.standard_normal((3, 2)[: len(axes)])
    if name == "separable" and len(axes) == 1:
        pytest.skip("a 1-D kernel has nothing to separate")
    others = [axis for axis in range(len(shape)) if axis not in axes]
    for mode in MODES:
        result = convolve(x, w, mode, boundary, name, axes=axes)
        for index in np.ndindex(*(shape[axis] for axis in others)):
            at = tuple(
                index[others.index(axis)] if axis in others else slice(None)
                for axis in range(len(shape))
            )
            expected = convolve(x[at], w, mode, boundary, "reference")
            np.testing.assert_allclose(result[at], expected, atol=1e-12)
        bank = convolve_bank(x, np.stack([w, 2 * w]), mode, boundary, name, axes=axes)
        np.testing.assert_allclose(bank, np.stack([result, 2 * result]), atol=1e-12)


@pytest.mark.parametrize("algorithm", FAST, ids=lambda a: a.name)
@pytest.mark.parametrize("dtype", ["float32", "complex64", "float64"])
@pytest.mark.parametrize(
    "sizes", [((300, 320), (21, 15)), ((5000,), (301,)), ((40, 41, 42), (5, 6, 3))]
)
def test_errors_stay_below_the_stated_bound(algorithm, dtype, sizes) -> None:
    random = np.random.default_rng(7)
    x, w = values(sizes[0], dtype, random), values(sizes[1], dtype, random)
    if algorithm.name == "separable" and len(sizes[0]) == 1:
        pytest.skip("a 1-D kernel has nothing to separate")
    form = NormalForm(
        1, 1, 1, 1, sizes[0], sizes[1], (0,) * x.ndim,
        tuple(n + k - 1 for n, k in zip(*sizes, strict=True)), (1,) * x.ndim, (1,) * x.ndim,
        dtype, rank=min(sizes[1]),
    )  # fmt: skip
    wide = "complex128" if dtype == "complex64" else "float64"
    # For double precision another algorithm stands in for the truth, at another rounding error.
    other = "direct" if algorithm.name != "direct" else "fft-whole"
    truth = convolve(x.astype(wide), w.astype(wide), method=other)
    error = np.abs(convolve(x, w, method=algorithm.name) - truth).max()
    scale = np.abs(w.astype(wide)).sum() * np.abs(x).max()
    slack = 1.0 if dtype != "float64" else 20.0
    assert error <= slack * algorithm.error_bound(form) * scale
    # The bound says something: it is far below a wrong result.
    assert algorithm.error_bound(form) < 5e-3


@pytest.mark.parametrize("name", NAMES)
def test_work_larger_than_a_block(name: str) -> None:
    """Several blocks and tiles, ragged at the edges, several images per block."""
    random = np.random.default_rng(8)
    for shape, axes in [((700, 900), None), ((150_000,), 0), ((300, 40, 50), (1, 2))]:
        x = random.standard_normal(shape)
        ndim = len(shape) if axes is None else 1 if axes == 0 else 2
        w = random.standard_normal((5,) * ndim)
        if name == "separable" and ndim == 1:
            continue
        result = convolve(x, w, "same", method=name, axes=axes)
        for index in [(0,) * len(shape), tuple(n - 1 for n in shape), tuple(n // 2 for n in shape)]:
            where = tuple(
                slice(max(0, i - 2), i + 3) if axes is None or len(shape) == 1 or a in (1, 2)
                else slice(i, i + 1)
                for a, i in enumerate(index)
            )  # fmt: skip
            patch = x[where]
            taps = tuple(
                slice(max(0, 2 + i - (n - 1)), 5 - max(0, 2 - i))
                for i, n in zip(index[len(shape) - ndim :], shape[len(shape) - ndim :], strict=True)
            )
            flipped = w[tuple(taps)][(slice(None, None, -1),) * ndim]
            expected = (patch.reshape(flipped.shape) * flipped).sum()
            np.testing.assert_allclose(result[index], expected, atol=1e-10)
        other = "direct" if name != "direct" else "fft-whole"
        np.testing.assert_allclose(
            result, convolve(x, w, "same", method=other, axes=axes), atol=1e-10
        )
