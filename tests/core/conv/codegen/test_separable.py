"""Generated passes against the definition and against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv import codegen, convolve, convolve_bank, plan
from core.conv.algorithms import separable

pytestmark = pytest.mark.skipif(not codegen.available(), reason="generated kernels are off")


def outer(vectors: list[np.ndarray]) -> np.ndarray:
    product = vectors[0]
    for vector in vectors[1:]:
        product = np.multiply.outer(product, vector)
    return product


@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(2, 30), min_size=2, max_size=3),
    kernel=st.lists(st.integers(2, 8), min_size=3, max_size=3),
    rank=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "float64", "complex64", "float16"]),
    mode=st.sampled_from(["full", "same", "valid"]),
    boundary=st.sampled_from(["zero", "reflect", "wrap"]),
    seed=st.integers(0, 99),
)
def test_low_rank(shape, kernel, rank, dtype, mode, boundary, seed) -> None:
    random = np.random.default_rng(seed)
    shape = [min(n, 10) for n in shape] if len(shape) == 3 else shape
    kernel = [min(k, n) for k, n in zip(kernel, shape, strict=False)]
    w = sum(outer([random.standard_normal(k) for k in kernel]) for _ in range(rank))
    x = random.standard_normal(shape)
    if dtype == "complex64":
        w, x = w * (1 + 2j), x * (2 - 1j)
    x, w = x.astype(dtype), w.astype("float32" if dtype == "float16" else dtype)
    result = convolve(x, w, mode, boundary, "separable")
    double = "complex128" if dtype == "complex64" else "float64"
    expected = convolve(x.astype(double), w.astype(double), mode, boundary, "reference")
    planned = plan(x, w, mode=mode, boundary=boundary, method="separable")
    bound = separable.error_bound(planned.problem.normal)
    scale = abs(w.astype(double)).sum() * abs(x.astype(double)).max()
    assert abs(result - expected).max() <= bound * scale + 1e-30


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_integers_are_exact(dtype: str) -> None:
    random = np.random.default_rng(0)
    x = random.integers(0, 100, (90, 150)).astype(dtype)
    w = np.outer([1, 4, 6, 4, 1], [1, -2, 0, 2, -1]).astype("int64")
    np.testing.assert_array_equal(
        convolve(x, w, "same", method="separable"), convolve(x, w, "same", method="direct")
    )


@pytest.mark.parametrize("shape", [(700, 900), (40, 9000), (3, 70, 80)])
def test_many_blocks_and_turns(shape) -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal(shape)
    w = outer([random.standard_normal(k) for k in (3, 9, 7)[-len(shape) :]])
    np.testing.assert_allclose(
        convolve(x, w, "same", method="separable"),
        convolve(x, w, "same", method="direct"),
        rtol=0,
        atol=1e-10,
    )


def test_a_bank_and_a_batch() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((3, 40, 50))
    bank = np.stack([np.outer(*random.standard_normal((2, 5))) for _ in range(2)])
    np.testing.assert_allclose(
        convolve_bank(x, bank, "same", method="separable", axes=(1, 2)),
        convolve_bank(x, bank, "same", method="direct", axes=(1, 2)),
        rtol=0,
        atol=1e-12,
    )


def test_a_capped_run_is_the_same() -> None:
    random = np.random.default_rng(0)
    x, w = random.standard_normal((600, 800)), np.outer(*random.standard_normal((2, 9)))
    free = convolve(x, w, "same", method="separable")
    capped = convolve(x, w, "same", method="separable", memory_cap=free.nbytes + 900_000)
    np.testing.assert_allclose(free, capped, rtol=0, atol=1e-12)
