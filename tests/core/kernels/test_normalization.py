from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput
from core.kernels import NORMALIZATIONS, normalize

BANKS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=4, max_side=4),
    elements=st.floats(-1e300, 1e300),
)


def reference(kernel: np.ndarray, how: str) -> np.ndarray:
    """One kernel, plainly; in long doubles, whose range sums of 1e300 cannot leave."""
    wide = kernel.astype(np.longdouble)
    if how == "sum":
        return wide / wide.sum()
    if how == "size":
        return wide / wide.size
    if how == "l2":
        return wide / np.sqrt((wide**2).sum())
    return scipy.special.softmax(kernel)


def cancellation(kernel: np.ndarray) -> float:
    """How much smaller the sum is than its terms: 1 for none, 0 for a sum of zero."""
    wide = kernel.astype(np.longdouble)
    return float(abs(wide.sum()) / np.abs(wide).sum()) if kernel.any() else 0.0


@given(bank=BANKS, how=st.sampled_from(["size", "l2", "softmax"]))
@settings(max_examples=60)
def test_each_kernel_is_scaled_by_itself(bank: np.ndarray, how: Any) -> None:
    assume(how != "l2" or all(kernel.any() for kernel in bank))
    before = bank.copy()
    for got, kernel in zip(normalize(bank, how), bank, strict=True):
        expected = reference(kernel, how).astype(np.float64)
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-300)
    np.testing.assert_array_equal(bank, before)


@given(bank=BANKS)
@settings(max_examples=60)
def test_sum(bank: np.ndarray) -> None:
    # Whether a sum between these is rounding or meant, nobody can tell.
    assume(not any(1e-17 < cancellation(kernel) < 1e-10 for kernel in bank))
    if any(cancellation(kernel) <= 1e-17 for kernel in bank):
        with pytest.raises(InvalidInput, match="sum to zero"):
            normalize(bank, "sum")
        return
    for got, kernel in zip(normalize(bank, "sum"), bank, strict=True):
        expected = reference(kernel, "sum").astype(np.float64)
        rtol = 1e-13 / cancellation(kernel)
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-300)


def test_none_is_the_bank_itself() -> None:
    bank = np.array([[np.nan, 1]])
    assert normalize(bank, "none") is bank


def test_integers_and_complex() -> None:
    np.testing.assert_allclose(normalize(np.array([[1, 3]]), "sum"), [[0.25, 0.75]])
    got = normalize(np.array([[3j, 4.0]]), "l2")
    np.testing.assert_allclose(got, [[0.6j, 0.8]])
    assert got.dtype == np.complex128


@pytest.mark.parametrize(
    ("taps", "how"),
    [
        ([[1.0, -1.0]], "sum"),
        ([[0.1, 0.2, -0.3]], "sum"),
        ([[1.0, 1.0], [1.0, -1.0]], "sum"),
        ([[0.0, 0.0]], "sum"),
        ([[0.0, 0.0]], "l2"),
        ([[np.nan, 1.0]], "size"),
        ([[np.inf, 1.0]], "softmax"),
        ([[1j, 1.0]], "softmax"),
        ([[1.0]], "max"),
    ],
)
def test_what_cannot_be_scaled_is_refused(taps: Any, how: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        normalize(np.array(taps), how)
    assert caught.value.field == "normalize"


def test_the_kernel_at_fault_is_named() -> None:
    with pytest.raises(InvalidInput, match="kernel 1 of the bank"):
        normalize(np.array([[[1.0, 1.0]], [[1.0, -1.0]]]), "sum")


def test_the_names() -> None:
    assert NORMALIZATIONS == ("none", "sum", "size", "l2", "softmax")
