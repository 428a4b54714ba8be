"""Products of matrices: their values, and whose threads compute them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from core.nets.blas import one_thread, product

sizes = st.integers(1, 40)


@settings(max_examples=30)
@given(m=sizes, k=sizes, n=sizes, seed=st.integers(0, 99), turned=st.booleans())
def test_a_product_is_the_sum_of_products(m, k, n, seed, turned) -> None:
    random = np.random.default_rng(seed)
    a = random.standard_normal((k, m)).T if turned else random.standard_normal((m, k))
    b = random.standard_normal((k, n))
    expected = sum(np.outer(a[:, i], b[i]) for i in range(k))
    np.testing.assert_allclose(product(a, b), expected, rtol=1e-12, atol=1e-12)


def test_a_large_product_in_blocks_has_the_same_bits_on_any_number_of_cores(monkeypatch) -> None:
    random = np.random.default_rng(0)
    a = random.standard_normal((1001, 300), np.float32)
    b = random.standard_normal((300, 100), np.float32)
    found = []
    for cores in (1, 2, 5):
        monkeypatch.setattr("core.nets.blas.cores", lambda cores=cores: cores)
        with one_thread():
            found.append(product(a, b))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    np.testing.assert_allclose(found[0], a.astype(float) @ b, rtol=1e-3, atol=1e-4)


def test_a_product_over_nothing_is_zero() -> None:
    assert np.array_equal(product(np.zeros((2, 0)), np.zeros((0, 3))), np.zeros((2, 3)))


def threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_the_blas_has_its_threads_back_afterwards() -> None:
    before = threads()
    if not before:
        pytest.skip("NumPy's BLAS is not one whose threads can be set")
    with one_thread():
        assert set(threads()) == {1}
        with one_thread():
            pass
        assert set(threads()) == {1}
    assert threads() == before
