"""A part of an array beyond its edges, against `numpy.pad` of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.conv.boundary import BOUNDARIES
from core.tiles.reading import read_extended

PAD = {
    "zero": "constant",
    "constant": "constant",
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
}


@given(st.data())
def test_a_part_is_that_of_the_padded_array(data: Any) -> None:
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple))
    boundary = data.draw(st.sampled_from(BOUNDARIES))
    x = np.random.default_rng(data.draw(st.integers(0, 99))).integers(1, 99, shape)
    far = 15
    firsts = [data.draw(st.integers(-far, n + far - 1)) for n in shape]
    ranges = tuple(
        (a, data.draw(st.integers(a + 1, n + far))) for a, n in zip(firsts, shape, strict=True)
    )
    values: dict[str, Any] = {"constant_values": 7} if boundary == "constant" else {}
    padded = np.pad(x, far, mode=PAD[boundary], **values)  # type: ignore[call-overload]
    expected = padded[tuple(slice(a + far, b + far) for a, b in ranges)]
    read: list[tuple[slice, ...]] = []

    def get(slices: tuple[slice, ...]) -> Any:
        read.append(slices)
        return x[slices]

    part = read_extended(get, x.shape, x.dtype, ranges, boundary, 7)
    np.testing.assert_array_equal(part, expected)
    assert part.dtype == x.dtype
    assert all(0 <= s.start < s.stop <= n for at in read for s, n in zip(at, shape, strict=True))
    # However often the array is repeated.
    assert len(read) <= 5 ** len(shape)
