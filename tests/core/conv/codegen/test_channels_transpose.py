"""Gather and scatter are transpositions, for runs of any length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.conv import codegen

if not codegen.available():
    pytest.skip("kernels cannot be generated here", allow_module_level=True)

from core.conv.codegen.channels_lanes import runs
from core.conv.codegen.channels_transpose import kernel
from core.conv.codegen.target import host


@settings(max_examples=40)
@given(
    dtype=st.sampled_from(["float32", "float64"]),
    count=st.integers(1, 4),
    length=st.integers(1, 40),
    gap=st.integers(0, 3),
    skipped=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_there_and_back(dtype, count, length, gap, skipped, seed) -> None:
    random = np.random.default_rng(seed)
    lanes = host().lanes(np.dtype(dtype).itemsize)
    x = random.standard_normal((lanes, count, length + gap + skipped)).astype(dtype)
    pitch = x.shape[-1]
    box = runs((pitch, 1), (count, pitch), (0, 0), (count, length), lanes)
    vectors = np.empty((count, length, lanes), dtype)
    places = x.ctypes.data + np.arange(lanes) * x.strides[0]
    numbers = (len(box.table), box.squares, skipped)
    kernel("gather", dtype, box.tail)(
        places.ctypes.data, box.table.ctypes.data, vectors.ctypes.data, *numbers
    )
    expected = x[..., skipped : skipped + length]
    np.testing.assert_array_equal(vectors, expected.transpose(1, 2, 0))
    back = np.full_like(x, 7)
    places = back.ctypes.data + np.arange(lanes) * back.strides[0]
    kernel("scatter", dtype, box.tail)(
        places.ctypes.data, box.table.ctypes.data, vectors.ctypes.data, *numbers
    )
    np.testing.assert_array_equal(back[..., skipped : skipped + length], expected)
    back[..., skipped : skipped + length] = 7
    assert (back == 7).all(), "nothing else is written"


def test_lanes_that_share_an_address_leave_it_to_the_first() -> None:
    lanes = host().lanes(4)
    vectors = np.arange(3 * lanes, dtype="float32").reshape(3, lanes)
    out = np.zeros(3, "float32")
    places = np.full(lanes, out.ctypes.data)
    box = runs((1,), (3,), (0,), (3,), lanes)
    kernel("scatter", "float32", box.tail)(
        places.ctypes.data, box.table.ctypes.data, vectors.ctypes.data, 1, box.squares, 0
    )
    np.testing.assert_array_equal(out, vectors[:, 0])


@settings(max_examples=100)
@given(
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    data=st.data(),
    lanes=st.sampled_from([2, 4]),
)
def test_runs_are_the_part_of_a_box_that_is_inside(sizes, data, lanes) -> None:
    first = [data.draw(st.integers(-4, 8)) for _ in sizes]
    span = [data.draw(st.integers(1, 9)) for _ in sizes]
    x = np.arange(1, 1 + int(np.prod(sizes))).reshape(sizes)
    strides = tuple(s // x.itemsize for s in x.strides)
    box = runs(strides, tuple(sizes), tuple(first), tuple(span), lanes)
    filled = np.zeros(int(np.prod(span)), int)
    length = box.squares * lanes + box.tail
    for begin, at in box.table:
        assert at % lanes == 0
        filled[at // lanes : at // lanes + length] = x.ravel()[begin : begin + length]
    expected = np.zeros(span, int)
    for index in np.ndindex(*span):
        source = tuple(f + i for f, i in zip(first, index, strict=True))
        if all(0 <= s < n for s, n in zip(source, sizes, strict=True)):
            expected[index] = x[source]
    np.testing.assert_array_equal(filled.reshape(span), expected)
    assert box.whole == (expected > 0).all()
