"""What is accepted, and the error for what is not: it names the field and what would do."""

import numpy as np
import pytest

from core.conv import conv, convolve, convolve_bank, correlate, plan
from core.errors import InvalidInput

X, W = np.ones((4, 5)), np.ones((2, 2))


@pytest.mark.parametrize(
    ("call", "field", "text"),
    [
        (lambda: convolve(X > 0, W > 0), "x", "uint8"),
        (lambda: convolve(np.ma.masked_array(X, X > 0), W), "x", "filled"),
        (lambda: convolve(X, W, boundary="constant", cval="a"), "cval", "a number"),
        (lambda: plan(X, W, stride=2), "stride", "boundary"),
        (lambda: plan(X, W, "conv", mode="same"), "mode", "padding"),
        (lambda: plan(X, W, "convole"), "operation", "conv"),
        (lambda: convolve(X[:2], np.ones((3, 2)), mode="valid"), "kernel", "no longer"),
        (lambda: convolve(X.astype(np.longdouble), W), "x", "float64"),
        (lambda: convolve(X, W.astype(np.clongdouble)), "kernel", "complex128"),
        (lambda: convolve(X.astype(object), W), "x", "cannot be convolved"),
        (lambda: convolve(np.array(["a"]), [1.0]), "x", "cannot be convolved"),
        (lambda: convolve(np.ones((0, 3)), W), "x", "empty"),
        (lambda: convolve(X, np.ones((2, 0))), "kernel", "empty"),
        (lambda: convolve(1.0, 2.0), "x", "single number"),
        (lambda: convolve(X, W, "sam"), "mode", "full, same, valid"),
        (lambda: convolve(X, W, boundary="edge"), "boundary", "nearest, wrap"),
        (lambda: convolve(X, np.ones(3)), "kernel", "2 axes"),
        (lambda: convolve(X, W, axes=0), "kernel", "1 axes, or 2 with length 1"),
        (lambda: convolve(X, W, axes=(0, 2)), "axes", "-2 to 1"),
        (lambda: convolve(X, W, axes=(0, -2)), "axes", "repeats"),
        (lambda: convolve(X, W, axes=()), "axes", "empty"),
        (lambda: convolve(X, np.ones((5, 2)), "valid"), "kernel", "on every axis"),
        (lambda: convolve(X.astype(np.uint8), W, boundary="constant", cval=300), "cval", "255"),
        (lambda: convolve(X.astype(int), W, boundary="constant", cval=0.5), "cval", "whole"),
        (lambda: correlate(X, W, boundary="constant", cval=1j), "cval", "real"),
        (lambda: convolve(X, W, precision="float16"), "precision", "tf32"),
        (lambda: conv(X[None, None], W[None, None], precision="half"), "precision", "bfloat16"),
        (lambda: convolve_bank(X, W), "kernel", "2 axes"),
        (lambda: convolve_bank(X, W[None], operation="conv"), "operation", "correlate"),
        (lambda: conv(X, W), "x", "(N, C, *S)"),
        (lambda: conv(X[None, None], W), "w", "(O, C/groups, *K)"),
        (lambda: conv(X[None, None], W[None, None], groups=2), "groups", "multiples"),
        (lambda: conv(X[None, None], W[None, None], groups=0), "groups", "1 or more"),
        (lambda: conv(X[None, None], W[None, None], stride=0), "stride", "1 or more"),
        (lambda: conv(X[None, None], W[None, None], padding=-1), "padding", "0 or more"),
        (lambda: conv(X[None, None], W[None, None], padding=0.5), "padding", "0 or more"),
        (lambda: conv(X[None, None], W[None, None], dilation=(1, 2, 3)), "dilation", "2 numbers"),
        (lambda: conv(X[None, None], W[None, None], dilation=9), "w", "larger than the padded"),
        (lambda: plan((4, 5), (2, 2), dtype="nonsense"), "dtype", "nonsense"),
    ],
)
def test_errors_name_the_field(call, field: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        call()
    assert caught.value.field == field
    assert text in str(caught.value)


def test_precision_is_of_products_of_float32() -> None:
    def products(x, w):
        return plan((9,), (3,), dtype=x, kernel_dtype=w, precision="tf32").problem.normal.precision

    assert products("float32", "float32") == products("uint8", "float16") == "tf32"
    # Nothing is lost there, whatever is allowed.
    assert products("float16", "float16") == "float16"
    for others in ("float64", "complex64", "int16"):
        assert products(others, others) == "float32"
    told = plan((9,), (3,), dtype="float32", precision="tf32").to_dict()
    # What is allowed, and what a processor does.
    assert (told["problem"]["precision"], told["products"]) == ("tf32", "float32")


def test_lists_are_arrays_and_tuples_of_numbers_shapes() -> None:
    assert convolve([[1, 2]], [[3]]).tolist() == [[3, 6]]
    assert plan((4, 5), (2, 2)).problem.x_shape == (4, 5)
    assert plan([4.0, 5.0], [2.0]).problem.x_shape == (2,)


@pytest.mark.parametrize(
    ("x", "w", "result"),
    [
        ("float16", "float16", "float16"),
        ("float16", "float32", "float32"),
        ("uint8", "float32", "float32"),
        ("int32", "float32", "float64"),
        ("uint8", "int8", "int16"),
        ("float32", "complex64", "complex64"),
        ("uint64", "int64", "float64"),
    ],
)
def test_result_dtypes_are_numpys(x: str, w: str, result: str) -> None:
    got = convolve(np.ones(3, x), np.ones(2, w))
    assert got.dtype == result
    assert got.tolist() == [1, 2, 2, 1]


def test_half_precision_is_summed_in_single() -> None:
    # In half precision 2048 + 1 is 2048.
    x = np.array([2048] + [1] * 16, np.float16)
    assert convolve(x, np.ones(17, np.float16), "valid")[0] == 2064
    assert convolve(np.array([60000], np.float16), np.array([2], np.float16))[0] == np.inf


def test_inputs_are_left_alone() -> None:
    x, w = np.array([1.0, np.nan, 1e300]), np.array([1e-300, np.inf])
    kept = x.copy(), w.copy()
    for name in ("direct", "fft-tiled", "reference"):
        convolve(x, w, method=name)
        np.testing.assert_array_equal(x, kept[0])
        np.testing.assert_array_equal(w, kept[1])


def test_arrays_of_any_layout() -> None:
    x = np.arange(48.0).reshape(6, 8)
    w = np.arange(6.0).reshape(2, 3)
    expected = convolve(x, w)
    for other in (
        np.asfortranarray(x),
        x[::-1, ::-1].copy()[::-1, ::-1],
        np.repeat(x, 2, 1)[:, ::2],
    ):
        np.testing.assert_array_equal(convolve(other, w[::-1][::-1]), expected)
    swapped = x.astype(">f8")
    np.testing.assert_array_equal(convolve(swapped, w), expected)


def test_truth_values_count_as_0_and_1_beside_numbers() -> None:
    mask = X > 0
    for other in (W, W.astype(np.int8), W.astype(np.complex64), W.astype(np.float16)):
        for x, w in ((mask, other), (other, mask)):
            got = convolve(x, w)
            assert got.dtype == np.result_type(x, w)
            number = np.result_type(x, w)
            numbers = x.astype(number), w.astype(number)
            np.testing.assert_array_equal(got, convolve(*numbers))
            assert plan(x, w).problem.rank == plan(*numbers).problem.rank
    assert plan((9, 9), (3, 3), dtype="bool", kernel_dtype="float32").problem.dtype == "float32"


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_matrices_are_arrays() -> None:
    np.testing.assert_array_equal(convolve(np.asmatrix(X), W), convolve(X, W))
