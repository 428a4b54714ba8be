"""Box kernels by running and doubled sums, against the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv import codegen, convolve, plan
from core.conv.algorithms import separable
from core.conv.codegen import box

pytestmark = pytest.mark.skipif(not codegen.available(), reason="generated kernels are off")


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 200)),
    kernel=st.tuples(st.integers(2, 40), st.integers(2, 70)),
    dtype=st.sampled_from(["float32", "float64", "float16", "uint8", "int64"]),
    mode=st.sampled_from(["full", "same"]),
    boundary=st.sampled_from(["zero", "mirror"]),
    seed=st.integers(0, 99),
)
def test_agrees_with_the_definition(shape, kernel, dtype, mode, boundary, seed) -> None:
    random = np.random.default_rng(seed)
    x = (100 * random.standard_normal(shape)).clip(-90, 90)
    x = (abs(x) if dtype == "uint8" else x).astype(dtype)
    w = np.full(kernel, 3 if x.dtype.kind in "iu" else 0.3)
    w = w.astype({"float16": "float32", "uint8": "int32"}.get(dtype, dtype))
    planned = plan(x, w, mode=mode, boundary=boundary, method="separable")
    form = planned.problem.normal
    assert box.supports(form) == (max(kernel) >= 16)
    result = planned.run(x, w)
    if x.dtype.kind in "iu":
        expected = convolve(x, w, mode, boundary, "direct")
        np.testing.assert_array_equal(result, expected)
        return
    expected = convolve(x.astype(float), w.astype(float), mode, boundary, "direct")
    scale = abs(w).sum() * abs(x.astype(float)).max() + 1e-30
    assert abs(result - expected).max() <= separable.error_bound(form) * scale


def test_errors_do_not_add_up_down_a_picture() -> None:
    # A large value that has left the box leaves nothing behind but in its own turn.
    x = np.ones((3000, 80), np.float32)
    x[0, 0] = 1e8
    result = convolve(x, np.ones((16, 16), np.float32), "valid", method="separable")
    np.testing.assert_array_equal(result[64:], 256)


def test_blocks_meet() -> None:
    x = np.random.default_rng(0).standard_normal((700, 5000))
    w = np.full((31, 31), 0.25)
    np.testing.assert_allclose(
        convolve(x, w, "same", method="separable"),
        convolve(x, w, "same", method="fft-whole"),
        rtol=0,
        atol=1e-9,
    )


def test_what_is_no_box_is_not_taken_for_one() -> None:
    w = np.ones((17, 17))
    assert plan(np.ones((50, 50)), w).problem.uniform
    w[3, 3] = np.nextafter(1, 2)
    assert not plan(np.ones((50, 50)), w).problem.uniform
    assert not plan((50, 50), (17, 17)).problem.uniform
