"""Convolution of batch-last arrays and its gradients against the engine's oracle."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import batch_last, codegen, gradients
from core.conv import conv as conv_batch_first
from core.errors import AlgorithmRefused, Cancelled, InvalidInput

METHODS = ("auto", "direct", *(("lanes",) if codegen.available() else ()))
lanes_only = pytest.mark.skipif(not codegen.available(), reason="kernels cannot be generated here")


def first(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, -1, 0)


def expected(x, w, dy, options):
    """Return output and gradients by the oracle, in double precision."""
    x, w, dy = (a.astype("float64") for a in (first(x), w, first(dy)))
    return (
        np.moveaxis(conv_batch_first(x, w, **options, method="reference"), 0, -1),
        np.moveaxis(
            gradients.conv_input_gradient(dy, w, x.shape, **options, method="reference"), 0, -1
        ),
        gradients.conv_weight_gradient(x, dy, w.shape, **options, method="reference"),
    )


def found(x, w, dy, options, method):
    return (
        batch_last.conv(x, w, **options, method=method),
        batch_last.conv_input_gradient(dy, w, x.shape[1:-1], **options, method=method),
        batch_last.conv_weight_gradient(x, dy, w.shape[2:], **options, method=method),
    )


@st.composite
def layers(draw: st.DrawFn):
    """Return shapes and options of a layer of any kind, for `arrays`."""
    ndim = draw(st.integers(1, 3))
    sides = {1: (3, 20), 2: (3, 7), 3: (3, 4)}[ndim]
    axes = [
        draw(
            st.tuples(
                st.integers(*sides), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3),
                st.integers(1, 3),
            ).filter(lambda a: a[0] + 2 * a[3] > a[4] * (a[1] - 1))
        )
        for _ in range(ndim)
    ]  # fmt: skip
    spatial, kernel, stride, padding, dilation = zip(*axes, strict=True)
    groups = draw(st.integers(1, 3))
    channels, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    images = draw(st.sampled_from([1, 3, 8, 16, 17]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x_shape = (groups * channels, *spatial, images)
    return x_shape, (groups * outputs, channels, *kernel), options, dtype, draw(st.integers(0, 99))


def arrays(case):
    """Return input, kernels, a gradient of the output, and options."""
    x_shape, w_shape, options, dtype, seed = case
    random = np.random.default_rng(seed)
    x, w = (random.standard_normal(shape).astype(dtype) for shape in (x_shape, w_shape))
    out = conv_batch_first(first(x)[:1], w, **options).shape[2:]
    dy = random.standard_normal((w_shape[0], *out, x_shape[-1])).astype(dtype)
    return x, w, dy, options


@settings(max_examples=28)
@given(case=layers(), method=st.sampled_from(METHODS))
def test_output_and_gradients_are_those_of_the_oracle(case, method: str) -> None:
    x, w, dy, options = arrays(case)
    tolerance = 2e-4 if x.dtype == "float32" else 1e-11
    for one, other in zip(
        found(x, w, dy, options, method), expected(x, w, dy, options), strict=True
    ):
        assert one.dtype == x.dtype
        assert one.flags.c_contiguous
        np.testing.assert_allclose(one, other, atol=tolerance)


@st.composite
def layers_with_transforms(draw: st.DrawFn):
    """Return those of a layer that Winograd's algorithm computes."""
    k, groups = draw(st.sampled_from([3, 5])), draw(st.integers(1, 2))
    channels, outputs = draw(st.integers(2, 20)), draw(st.sampled_from([5, 16, 32, 48]))
    padding = draw(st.integers(0, k))
    spatial = tuple(draw(st.integers(max(1, k - 2 * padding), 14)) for _ in range(2))
    images = draw(st.sampled_from([1, 8, 16, 40, 64]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x_shape, w_shape = (groups * channels, *spatial, images), (groups * outputs, channels, k, k)
    options = {"padding": padding, "groups": groups}
    return x_shape, w_shape, options, dtype, draw(st.integers(0, 99))


@lanes_only
@settings(max_examples=18)
@given(case=layers_with_transforms())
def test_transforms_give_what_every_tap_gives(case) -> None:
    x, w, dy, options = arrays(case)
    tolerance = 1e-4 if x.dtype == "float32" else 1e-12
    for one, other in zip(
        transformed(x, w, dy, options),
        found(*(a.astype("float64") for a in (x, w, dy)), options, "lanes"),
        strict=True,
    ):
        assert one.dtype == x.dtype
        assert one.flags.c_contiguous
        assert abs(one - other).max() <= tolerance * abs(other).max()


def transformed(x, w, dy, options):
    """Return output and gradients by transforms; where channels do not fill lanes, not the last."""
    named = {**options, "method": "lanes-winograd"}
    fills = w.shape[0] // options["groups"] % 16 == 0
    return (
        batch_last.conv(x, w, **named),
        batch_last.conv_input_gradient(dy, w, x.shape[1:-1], **named),
        batch_last.conv_weight_gradient(x, dy, w.shape[2:], **(named if fills else options)),
    )


@lanes_only
def test_transforms_refuse_what_they_cannot_do() -> None:
    x, w = np.ones((2, 9, 9, 16)), np.ones((3, 2, 3, 3))
    dy = np.ones((3, 7, 7, 16))
    with pytest.raises(AlgorithmRefused, match="lanes-winograd refuses: tiles need neighbouring"):
        batch_last.conv(x, w, 2, method="lanes-winograd")
    with pytest.raises(AlgorithmRefused, match="only kernels of 3 by 3 and 5 by 5"):
        batch_last.conv_input_gradient(dy, w[:, :, 1:], (8, 9), method="lanes-winograd")
    # Of many channels the bound on the error is too large: those that are summed count.
    many = np.ones((300, 2, 3, 3), "float32")
    assert batch_last.conv(x.astype("float32"), many, method="lanes-winograd").shape[0] == 300
    with pytest.raises(AlgorithmRefused, match="its error bound"):
        batch_last.conv_input_gradient(
            np.ones((300, 7, 7, 16), "float32"), many, (9, 9), method="lanes-winograd"
        )
    with pytest.raises(AlgorithmRefused, match="must be a multiple of"):
        batch_last.conv_weight_gradient(x, dy, (3, 3), method="lanes-winograd")
    x[0, 3, 3, 2] = np.inf
    with pytest.raises(AlgorithmRefused, match="would spread what is not finite"):
        batch_last.conv(x, w, method="lanes-winograd")


@lanes_only
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_not_spread_where_transforms_are_faster(value: float) -> None:
    random = np.random.default_rng(9)
    x = random.standard_normal((32, 8, 8, 16)).astype("float32")
    w = random.standard_normal((32, 32, 3, 3)).astype("float32")
    options = {"padding": 1}
    for array in (x, w):
        kept, array[0, 1, 2, 2] = array[0, 1, 2, 2], value
        with np.errstate(invalid="ignore"):
            good = batch_last.conv(x, w, **options, method="direct")
            np.testing.assert_allclose(batch_last.conv(x, w, **options), good, atol=1e-3)
        array[0, 1, 2, 2] = kept
    assert not np.array_equal(
        batch_last.conv(x, w, **options), batch_last.conv(x, w, **options, method="lanes")
    ), "transforms were not taken"


NETS = [
    # channels, outputs, spatial, kernel, stride, padding, images
    (1, 6, (28, 28), (5, 5), 1, 2, 16),
    (6, 16, (14, 14), (5, 5), 1, 0, 16),
    (16, 16, (32, 32), (3, 3), 1, 1, 16),
    (64, 64, (8, 8), (3, 3), 1, 1, 32),
    (24, 36, (31, 48), (5, 5), 2, 0, 16),
    (16, 32, (16, 16), (1, 1), 2, 0, 48),
    (40, 100, (50,), (4,), 1, 0, 16),
]


@lanes_only
@pytest.mark.parametrize(("c", "o", "spatial", "kernel", "stride", "padding", "images"), NETS)
def test_layers_of_nets(c, o, spatial, kernel, stride, padding, images) -> None:
    """Several blocks, panels and tiles, against double precision by another algorithm."""
    random = np.random.default_rng(5)
    x = random.standard_normal((c, *spatial, images))
    w = random.standard_normal((o, c, *kernel))
    options = {"stride": stride, "padding": padding}
    y = batch_last.conv(x, w, **options, method="direct")
    dy = random.standard_normal(y.shape)
    good = found(x, w, dy, options, "direct")
    single = [a.astype("float32") for a in (x, w, dy)]
    for one, other in zip(found(*single, options, "lanes"), good, strict=True):
        assert abs(one - other).max() < 1e-5 * abs(other).max()


@lanes_only
def test_threads_at_once_get_the_same_bits_every_time() -> None:
    random = np.random.default_rng(6)
    options = {"padding": 1}
    cases = [
        (
            random.standard_normal((c, 12, 12, 32)).astype("float32"),
            random.standard_normal((16, c, 3, 3)).astype("float32"),
            random.standard_normal((16, 12, 12, 32)).astype("float32"),
        )
        for c in (3, 16, 40)
    ]
    alone = [found(*case, options, "auto") for case in cases]
    results: dict[int, list] = {}

    def work(index: int) -> None:
        results[index] = [found(*cases[(index + i) % 3], options, "auto") for i in range(6)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for index, several in results.items():
        for i, arrays in enumerate(several):
            for one, other in zip(arrays, alone[(index + i) % 3], strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_reaches_what_the_definition_says(
    value: float, padding: int, method: str
) -> None:
    random = np.random.default_rng(7)
    x = random.standard_normal((3, 5, 5, 8)).astype("float32")
    w = random.standard_normal((4, 3, 3, 3)).astype("float32")
    options = {"padding": padding}
    dy = random.standard_normal((4, 3 + 2 * padding, 3 + 2 * padding, 8)).astype("float32")
    x[1, 0, 3, 5] = value
    with np.errstate(invalid="ignore"):
        for one, other in zip(
            found(x, w, dy, options, method), expected(x, w, dy, options), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-4)
        x[1, 0, 3, 5] = 1
        w[2, 1, 0, 2], dy[1, 0, 0, 3] = value, -value
        named = "auto" if method == "lanes" else method
        for one, other in zip(
            found(x, w, dy, options, named), expected(x, w, dy, options), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=1e-4)


@lanes_only
def test_lanes_refuse_what_they_cannot_do() -> None:
    x, w, dy = np.ones((2, 5, 16)), np.ones((3, 2, 3)), np.ones((3, 5, 16))
    for bad in ("complex64", "float16", "int32", ">f4"):
        with pytest.raises(AlgorithmRefused, match=r"lanes refuses: .*float32 and float64"):
            batch_last.conv(x.astype(bad), w.astype(bad), method="lanes")
    w[0, 0, 0] = dy[0, 0, 0] = np.inf
    message = "is not finite, and the input is padded"
    with pytest.raises(AlgorithmRefused, match=f"w {message}"):
        batch_last.conv(x, w, padding=1, method="lanes")
    with pytest.raises(AlgorithmRefused, match=f"w {message}"):
        batch_last.conv_input_gradient(dy, w, (5,), padding=1, method="lanes")
    with pytest.raises(AlgorithmRefused, match=f"dy {message}"):
        batch_last.conv_weight_gradient(x, dy, (3,), padding=1, method="lanes")


def test_lanes_refuse_without_generated_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codegen, "available", lambda: False)
    x, w = np.ones((2, 5, 16)), np.ones((3, 2, 3))
    with pytest.raises(AlgorithmRefused, match="cannot be generated here"):
        batch_last.conv(x, w, method="lanes")
    np.testing.assert_array_equal(batch_last.conv(x, w), np.full((3, 3, 16), 6.0))


@pytest.mark.parametrize("method", METHODS)
def test_what_does_not_fit_is_refused(method: str) -> None:
    x, w = np.ones((2, 5, 16)), np.ones((4, 2, 3))
    with pytest.raises(InvalidInput, match="groups: channels and groups do not fit"):
        batch_last.conv(x, w, groups=3, method=method)
    with pytest.raises(InvalidInput, match="dilated kernel is larger"):
        batch_last.conv(x, w, dilation=3, method=method)
    with pytest.raises(InvalidInput, match="stride: is no whole number"):
        batch_last.conv(x, w, stride=0, method=method)
    with pytest.raises(InvalidInput, match="dy: does not have the shape"):
        batch_last.conv_input_gradient(np.ones((4, 4, 16)), w, (5,), method=method)
    with pytest.raises(InvalidInput, match="dy: does not have the shape"):
        batch_last.conv_weight_gradient(x, np.ones((4, 3, 15)), (3,), method=method)
    with pytest.raises(InvalidInput, match="no such algorithm"):
        batch_last.conv(x, w, method="fast")


@pytest.mark.parametrize("method", METHODS)
def test_a_check_that_raises_stops_the_work(method: str) -> None:
    def stop() -> None:
        raise Cancelled("enough")

    x, w, dy = np.ones((2, 5, 16)), np.ones((4, 2, 3)), np.ones((4, 3, 16))
    with pytest.raises(Cancelled):
        batch_last.conv(x, w, method=method, check=stop)
    with pytest.raises(Cancelled):
        batch_last.conv_input_gradient(dy, w, (5,), method=method, check=stop)
    with pytest.raises(Cancelled):
        batch_last.conv_weight_gradient(x, dy, (3,), method=method, check=stop)


@lanes_only
def test_arrays_of_any_order() -> None:
    random = np.random.default_rng(8)
    x = random.standard_normal((3, 9, 32))[:, ::2, ::2]
    w = random.standard_normal((3, 3, 4)).transpose(2, 1, 0)
    good = batch_last.conv(x, w, method="direct")
    np.testing.assert_allclose(batch_last.conv(x, w, method="lanes"), good, atol=1e-12)
