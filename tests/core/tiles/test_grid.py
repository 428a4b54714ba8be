"""Tiles cover the result once, and their parts of the input are all that they need."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.tiles.grid import Grid


@given(st.data())
def test_every_output_is_in_one_tile_which_has_its_inputs(data: Any) -> None:
    def numbers(low: int, high: int) -> Any:
        return st.tuples(*[st.integers(low, high)] * ndim)

    ndim = data.draw(st.integers(1, 3))
    grid = Grid(*(data.draw(numbers(*ends)) for ends in ((1, 9), (0, 4), (1, 5), (1, 12))))
    seen = np.zeros(grid.out, int)
    for place in grid.places():
        outputs, inputs = grid.outputs(place), grid.inputs(place)
        seen[tuple(slice(*part) for part in outputs)] += 1
        for (a, b), (first, last), start, k, most in zip(
            outputs, inputs, grid.start, grid.kernel, grid.largest, strict=True
        ):
            needed = {start + o - tap for o in range(a, b) for tap in range(k)}
            assert (min(needed), max(needed)) == (first, last - 1)
            assert last - first <= most
    assert (seen == 1).all()
    assert len(list(grid.places())) == grid.count
