from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import TooLarge
from core.media import MAX_JSON_VALUES, to_json


@given(
    array=st.sampled_from(
        ["bool", "uint8", "int64", "uint64", "float16", "float32", "float64", "complex64"]
    ).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
)
@settings(max_examples=100)
def test_standard_json_brings_every_finite_value_back(array: np.ndarray) -> None:
    read = json.loads(json.dumps(to_json(array), allow_nan=False))
    plain = np.stack([array.real, array.imag], axis=-1) if array.dtype.kind == "c" else array
    known = np.isfinite(plain)
    back = np.array(read, dtype=object).reshape(plain.shape)
    assert all(value is None for value in back[~known])
    np.testing.assert_array_equal(back[known].astype(plain.dtype), plain[known])


def test_the_limit() -> None:
    assert len(to_json(np.zeros(MAX_JSON_VALUES, np.uint8))) == MAX_JSON_VALUES
    with pytest.raises(TooLarge, match="fetch the npy"):
        to_json(np.zeros(MAX_JSON_VALUES + 1, np.uint8))
