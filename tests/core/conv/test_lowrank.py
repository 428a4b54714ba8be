"""Kernels are the sums of their terms."""

import time
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv.lowrank import terms, tolerance


def total(split: tuple) -> np.ndarray:
    return sum(reduce(np.multiply.outer, term) for term in split)


@settings(max_examples=80)
@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple),
    rank=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "float64", "complex64", "complex128"]),
    seed=st.integers(0, 1000),
)
def test_terms_sum_to_the_kernel(shape, rank, dtype, seed) -> None:
    random = np.random.default_rng(seed)
    made = total([[random.standard_normal(n) for n in shape] for _ in range(rank)]).astype(dtype)
    found = terms(made)
    error = np.abs(total(found) - made).sum()
    unit = np.finfo(dtype).eps / 2
    assert error <= tolerance(shape, unit) * np.abs(made).sum() + len(found) * 8 * unit * made.size
    assert all(vector.dtype == dtype for term in found for vector in term)
    if len(shape) == 2:
        assert len(found) <= min(rank, *shape)


def test_known_ranks() -> None:
    gaussian = np.exp(-(np.arange(-30, 31) ** 2) / 200)
    assert len(terms(np.outer(gaussian, gaussian).astype(np.float32))) == 1
    assert len(terms(reduce(np.multiply.outer, [gaussian[20:40]] * 3))) == 1
    assert len(terms(np.eye(5))) == 5
    assert len(terms(np.zeros((3, 3)))) == 1
    # The Laplacian [[0,1,0],[1,-4,1],[0,1,0]] is a sum of two outer products.
    assert len(terms(np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0.0]]))) == 2


@settings(max_examples=80)
@given(
    vectors=st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=5), min_size=1, max_size=4),
    factor=st.integers(-5, 5),
)
def test_integers_are_factored_exactly(vectors, factor) -> None:
    kernel = factor * np.asarray(reduce(np.multiply.outer, [np.array(v) for v in vectors]))
    for dtype in ("int64", "object"):
        (term,) = terms(kernel.astype(dtype))
        np.testing.assert_array_equal(reduce(np.multiply.outer, term), kernel)


def test_integers_of_higher_rank_are_refused() -> None:
    assert terms(np.array([[1, 2], [3, 4]])) is None
    assert terms(np.arange(8).reshape(2, 2, 2)) is None


@pytest.mark.parametrize("noise", [1e-3, 1e-1])
def test_a_part_that_matters_is_kept(noise: float) -> None:
    kernel = np.outer(np.ones(4), np.ones(4)).astype(np.float32)
    kernel[1, 2] += noise
    assert len(terms(kernel)) == 2


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_large_kernels_are_split_in_no_time(dtype) -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((3, 2, 1500)).astype(dtype)
    made = sum(np.multiply.outer(*pair) for pair in vectors)
    # The processor's time is that of this program alone, however busy the machine is.
    start = time.process_time()
    found = terms(made)
    assert time.process_time() - start < 5
    assert len(found) == 3
    error = np.abs(total(found) - made).sum()
    assert error <= tolerance(made.shape, np.finfo(dtype).eps / 2) * np.abs(made).sum()


def test_large_kernels_of_high_rank_are_not_split() -> None:
    assert terms(np.random.default_rng(0).standard_normal((300, 200))) is None
    y, x = np.mgrid[-500:501, -500:501]
    assert terms((x * x + y * y < 500**2).astype(float)) is None
    assert len(terms(np.zeros((200, 200)))) == 1
