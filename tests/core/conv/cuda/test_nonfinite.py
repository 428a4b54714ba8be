"""NaN, infinity and large numbers on a GPU: what they reach is found without asking the device."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.conv import conv, convolve, nonfinite
from core.conv.blocks import never
from core.conv.cuda import channels, separable
from tests.core.conv.cuda.forms import convolved, form_of

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


@pytest.mark.parametrize("method", ["direct", "fft-tiled", "separable"])
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
    if method == "separable":
        # Of rank two at most, with zeros; there are no terms of what is not finite.
        w = np.nan_to_num(w, posinf=0, neginf=0)
        w = (np.outer([1, 0, -2], w[0]) + np.outer([0, 1, 0], w[1])).astype("float32")
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


@pytest.mark.parametrize("method", ["fft-tiled", "separable"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_magnitudes_that_would_overflow_or_round_away(cupy, method, dtype) -> None:
    random = np.random.default_rng(0)
    x, w = random.standard_normal((40, 40)), np.outer(*random.standard_normal((2, 5)))
    expected = convolve(x, w, method="reference")
    huge = 2.0 ** (np.finfo(dtype).maxexp - 10)
    mixed = [(huge, 1 / huge), (1 / huge, 1.0), (1 / huge, huge), (1.0, 1 / huge / 64)]
    for a, b in [(huge, 1.0), (1.0, huge), *mixed]:
        on_device = cupy.asarray((x * a).astype(dtype)), cupy.asarray((w * b).astype(dtype))
        found = convolve(*on_device, method=method).get()
        np.testing.assert_allclose(
            found.astype("float64") / a / b, expected, atol=np.finfo(dtype).eps * 100
        )


def test_terms_are_numbers_whatever_the_kernel(cupy) -> None:
    form = form_of((3, 4), "float32", sizes=(7, 8))
    w, y = np.full((1, 1, 3, 4), 2.0**127, "float32"), cupy.empty(form.out_shape, "float32")
    x = np.full((1, 1, 7, 8), 2.0**-127, "float32")
    separable.run(form, cupy.asarray(x), cupy.asarray(w), y, check=never, memory_cap=None)
    np.testing.assert_allclose(y.get(), convolved(form, x, w), rtol=1e-6)
