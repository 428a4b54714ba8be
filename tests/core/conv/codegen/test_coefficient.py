"""Correlation coefficients by running sums, against the variance of each window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

pytest.importorskip("llvmlite")

from core.conv import codegen
from core.conv.blocks import never
from core.conv.codegen import coefficient
from core.errors import Cancelled

pytestmark = pytest.mark.skipif(not codegen.available(), reason="generated kernels are off")


@settings(max_examples=30)
@given(
    channels=st.integers(1, 3),
    # Calls take 128 rows and 512 columns.
    outputs=st.tuples(st.integers(1, 30), st.integers(1, 60) | st.integers(510, 540))
    | st.tuples(st.integers(126, 140), st.integers(1, 20)),
    # A kernel is compiled for each width.
    size=st.tuples(st.integers(1, 20), st.sampled_from([1, 3, 16, 27, 70])),
    centre=st.sampled_from([0.0, 300.0]),
    dtype=st.sampled_from(coefficient.DTYPES),
    seed=st.integers(0, 99),
)
def test_agrees_with_the_variance_of_each_window(
    channels, outputs, size, centre, dtype, seed
) -> None:
    random = np.random.default_rng(seed)
    shape = tuple(m + k - 1 for m, k in zip(outputs, size, strict=True))
    x = (random.uniform(-1, 1, (channels, *shape)) + centre).astype(dtype)
    fits, power, floor = random.uniform(-1, 1, outputs), 0.7, 1e-9
    count = size[0] * size[1]
    energy = sum(
        count * sliding_window_view(plane, size).var(axis=(2, 3), dtype=float) for plane in x
    )
    varies = energy > floor
    expected = np.where(varies, fits / np.sqrt(np.where(varies, energy, 1) * power), 0)
    coefficient.divide(fits, x, [centre] * channels, size, power, floor, never)
    np.testing.assert_allclose(fits, expected.clip(-1, 1), atol=1e-9)


def test_a_bright_row_that_went_out_leaves_nothing_behind() -> None:
    x = np.ones((1, 2000, 40))
    x[0, 0] = 1e7
    x[0, 1000:, ::2] = 3
    fits = np.ones((1981, 21))
    coefficient.divide(fits, x, [0.0], (20, 20), 1.0, 1e-3, never)
    # Runs begin anew after 128 rows.
    assert (fits[128:980] == 0).all()
    np.testing.assert_allclose(fits[1000:], 1 / 20, rtol=1e-12)


def test_work_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        coefficient.divide(np.ones((9, 9)), np.ones((1, 9, 9)), [0.0], (1, 1), 1.0, 0.0, stop)
