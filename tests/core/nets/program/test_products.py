"""The BLAS called by address multiplies as NumPy does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv.codegen import chain
from core.nets.program.products import product

SIZE = st.integers(1, 40)


@given(
    size=st.tuples(SIZE, SIZE, SIZE),
    transposed=st.sampled_from(["", "a", "b"]),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_products_are_those_of_numpy(size, transposed, dtype, seed) -> None:
    rows, columns, depth = size
    random = np.random.default_rng(seed)
    a = random.normal(size=(rows, depth)).astype(dtype)
    b = random.normal(size=(depth, columns)).astype(dtype)
    out = np.full((rows, columns), np.nan, dtype)
    given_a = np.ascontiguousarray(a.T) if transposed == "a" else a
    given_b = np.ascontiguousarray(b.T) if transposed == "b" else b
    addresses = given_a.ctypes.data, given_b.ctypes.data, out.ctypes.data
    table = chain.table([product(dtype, size, *addresses, transposed=transposed)])
    function, arguments = chain.call(table)
    function(*arguments)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(out, a.astype(float) @ b, rtol=0, atol=tolerance * depth)
