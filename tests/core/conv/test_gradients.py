"""Gradients against the definition, and against finite differences."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import conv, conv_input_gradient, conv_weight_gradient
from core.errors import InvalidInput


def by_definition(x, w, dy, stride, padding, dilation, groups):
    """Return both gradients: every product of the forward pass, differentiated."""
    dx, dw = np.zeros(x.shape, dy.dtype), np.zeros(w.shape, dy.dtype)
    per_group, channels = w.shape[0] // groups, w.shape[1]
    for o, c in itertools.product(range(w.shape[0]), range(channels)):
        source = o // per_group * channels + c
        for i in np.ndindex(*dy.shape[2:]):
            for t in np.ndindex(*w.shape[2:]):
                at = tuple(
                    s * a + d * b - p
                    for s, a, d, b, p in zip(stride, i, dilation, t, padding, strict=True)
                )
                if all(0 <= a < n for a, n in zip(at, x.shape[2:], strict=True)):
                    dx[(slice(None), source, *at)] += dy[(slice(None), o, *i)] * w[(o, c, *t)]
                    dw[(o, c, *t)] += (
                        dy[(slice(None), o, *i)] * x[(slice(None), source, *at)]
                    ).sum()
    return dx, dw


@settings(max_examples=80)
@given(
    axes=st.lists(
        st.tuples(
            st.integers(3, 6), st.integers(1, 3), st.integers(1, 3), st.integers(0, 3),
            st.integers(1, 3),
        ).filter(lambda a: a[0] + 2 * a[3] > a[4] * (a[1] - 1)),
        min_size=1,
        max_size=3,
    ),
    n=st.integers(1, 3),
    groups=st.integers(1, 3),
    per_group=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    dtype=st.sampled_from(["float32", "float64", "complex128"]),
    seed=st.integers(0, 1000),
)  # fmt: skip
def test_both_gradients_are_those_of_the_definition(
    axes, n, groups, per_group, dtype, seed
) -> None:
    random = np.random.default_rng(seed)
    spatial, kernel, stride, padding, dilation = zip(*axes, strict=True)
    x = random.standard_normal((n, groups * per_group[0], *spatial)).astype(dtype)
    w = random.standard_normal((groups * per_group[1], per_group[0], *kernel)).astype(dtype)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    dy = random.standard_normal(conv(x, w, **options).shape).astype(dtype)
    dx, dw = by_definition(x, w, dy, **options)
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    found = conv_input_gradient(dy, w, x.shape, **options)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, dx, atol=tolerance)
    found = conv_weight_gradient(x, dy, w.shape, **options)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, dw, atol=tolerance)


@pytest.mark.parametrize(("groups", "stride", "dilation"), [(1, 1, 1), (2, 2, 1), (4, 1, 2)])
def test_finite_differences_agree(groups: int, stride: int, dilation: int) -> None:
    random = np.random.default_rng(3)
    x, w = random.standard_normal((2, 4, 9, 8)), random.standard_normal((8, 4 // groups, 3, 2))
    options = {"stride": stride, "padding": 1, "dilation": dilation, "groups": groups}
    weights = random.standard_normal(conv(x, w, **options).shape)

    def loss(x: np.ndarray, w: np.ndarray) -> float:
        return float((weights * conv(x, w, **options)).sum())

    dx = conv_input_gradient(weights, w, x.shape, **options)
    dw = conv_weight_gradient(x, weights, w.shape, **options)
    step = 1e-4
    for _ in range(5):
        toward, toward_w = random.standard_normal(x.shape), random.standard_normal(w.shape)
        change = loss(x + step * toward, w) - loss(x - step * toward, w)
        np.testing.assert_allclose((dx * toward).sum(), change / (2 * step), rtol=1e-6)
        change = loss(x, w + step * toward_w) - loss(x, w - step * toward_w)
        np.testing.assert_allclose((dw * toward_w).sum(), change / (2 * step), rtol=1e-6)


def test_layers_of_nets() -> None:
    """Batches that fill the lanes, against double precision by another algorithm."""
    random = np.random.default_rng(4)
    for n, c, o, s, k, groups in [
        (32, 8, 16, 14, 3, 1),
        (20, 3, 6, 12, 5, 1),
        (8, 16, 16, 20, 7, 16),
    ]:
        x, w = random.standard_normal((n, c, s, s)), random.standard_normal((o, c // groups, k, k))
        options = {"padding": k // 2, "groups": groups}
        dy = random.standard_normal((n, o, s, s))
        for gradient, arrays, shape in (
            (conv_input_gradient, (dy, w), x.shape),
            (conv_weight_gradient, (x, dy), w.shape),
        ):
            single = [a.astype("float32") for a in arrays]
            expected = gradient(*arrays, shape, **options, method="fft-whole")
            found = gradient(*single, shape, **options)
            assert abs(found - expected).max() < 2e-5 * abs(expected).max()


@pytest.mark.parametrize(
    ("dy", "x_shape", "message"),
    [
        (np.ones((1, 1, 4)), (1, 1, 4), r"dy: does not have the shape.*accepted: \(1, 1, 3\)"),
        (np.ones((1, 1, 3), int), (1, 1, 4), "dy: gradients are no integers"),
        (np.ones((1, 1, 3)), (1, 2, 4), "groups: channels and groups do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(dy, x_shape, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        conv_input_gradient(dy, np.ones((1, 1, 2)), x_shape)
    with pytest.raises(InvalidInput, match=message):
        conv_weight_gradient(np.ones(x_shape), dy, (1, 1, 2))
