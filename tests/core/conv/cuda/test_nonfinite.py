"""NaN, infinity and large numbers on a GPU: what they reach is found without asking the device."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv import conv, convolve, nonfinite
from core.conv.cuda import channels

SPECIAL = [np.nan, np.inf, -np.inf, 0.0]


@pytest.fixture(autouse=True)
def unasked(monkeypatch):
    """Nobody looks at values from the host."""
    monkeypatch.setattr(nonfinite, "peak", None)
    monkeypatch.setattr(nonfinite, "_is_finite", None)


def sprinkled(random, shape, count):
    x = random.integers(-3, 4, shape).astype("float32")
    x.flat[random.integers(0, x.size, count)] = random.choice(SPECIAL, count)
    return x


@pytest.mark.parametrize("method", ["direct", "fft-tiled"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sides=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    inputs=st.integers(0, 3),
    weights=st.integers(0, 1),
    mode=st.sampled_from(["full", "same"]),
    seed=st.integers(0, 999),
)
def test_what_is_not_finite_reaches_what_it_should(
    cupy, method, sides, inputs, weights, mode, seed
) -> None:
    random = np.random.default_rng(seed)
    x, w = sprinkled(random, sides, inputs), sprinkled(random, (3, 4), weights)
    found = convolve(cupy.asarray(x), cupy.asarray(w), mode, method=method)
    expected = convolve(x, w, mode, method="reference")
    np.testing.assert_allclose(found.get(), expected, atol=1e-4)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999))
def test_holes_of_a_kernel_make_nothing_of_infinity(cupy, seed) -> None:
    random = np.random.default_rng(seed)
    x, w = sprinkled(random, (2, 2, 300), 3), sprinkled(random, (4, 1, 5), 2)
    x, options = x.astype("float16"), {"dilation": 7, "padding": 20, "groups": 2}
    found = conv(cupy.asarray(x), cupy.asarray(w), **options, method="fft-tiled")
    expected = conv(x, w, **options, method="reference")
    np.testing.assert_allclose(found.get(), expected, atol=1e-4)


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 1), (8, 6)])
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    padding=st.integers(0, 4),
    stride=st.integers(1, 2),
    weights=st.integers(0, 2),
    count=st.sampled_from([1, 3]),
    seed=st.integers(0, 999),
)
def test_sums_over_channels_leave_out_what_does_not_exist(
    cupy, inputs, outputs, padding, stride, weights, count, seed
) -> None:
    random = np.random.default_rng(seed)
    x = sprinkled(random, (2, 2 * inputs, 9, 8), 2)
    w = sprinkled(random, (2 * outputs, inputs, 3, 3), weights)
    options = {"padding": padding, "stride": stride, "dilation": 2, "groups": 2}
    # The stand-in's sums of parts warn of infinities of both signs; CuPy's do not.
    with pytest.MonkeyPatch.context() as patch, np.errstate(invalid="ignore"):
        patch.setattr(channels, "parts", lambda form, cap: count)
        found = conv(cupy.asarray(x), cupy.asarray(w), **options, method="direct")
    np.testing.assert_array_equal(found.get(), conv(x, w, **options, method="reference"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_magnitudes_that_a_transform_would_overflow_or_round_away(cupy, dtype) -> None:
    random = np.random.default_rng(0)
    x, w = random.standard_normal((40, 40)), random.standard_normal((2, 5))
    expected = convolve(x, w, method="reference")
    huge = 2.0 ** (np.finfo(dtype).maxexp - 10)
    mixed = [(huge, 1 / huge), (1 / huge, 1.0), (1 / huge, huge), (1.0, 1 / huge / 64)]
    for a, b in [(huge, 1.0), (1.0, huge), *mixed]:
        on_device = cupy.asarray((x * a).astype(dtype)), cupy.asarray((w * b).astype(dtype))
        found = convolve(*on_device, method="fft-tiled").get()
        np.testing.assert_allclose(
            found.astype("float64") / a / b, expected, atol=np.finfo(dtype).eps * 100
        )
