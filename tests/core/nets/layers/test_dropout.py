"""Dropout: what is left out, when, and that it can be repeated."""

from __future__ import annotations

import numpy as np
import pytest

from core.nets.layer import Context
from core.nets.layers.dropout import LAYER, DropoutSpec


def dropped(x, rate, seed, *, training=True):
    spec = DropoutSpec(layer="dropout", rate=rate)
    return LAYER.forward(spec, [x], {}, Context(training=training, seed=seed))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_share_is_left_out_and_the_mean_stays(rate) -> None:
    x = np.ones((100, 500), "float32")
    y, backward = dropped(x, rate, (1, 2))
    assert set(np.unique(y)) == {0, np.float32(1) / np.float32(1 - rate)}
    deviation = np.sqrt(rate * (1 - rate) / x.size)
    assert abs((y == 0).mean() - rate) < 5 * deviation
    (dx,), _ = backward(2 * x)
    np.testing.assert_array_equal(dx, 2 * y)


def test_the_same_seed_leaves_out_the_same() -> None:
    x = np.ones((40, 5), "float32")
    first, again, other = (dropped(x, 0.5, seed)[0] for seed in [(1, 2), (1, 2), (1, 3)])
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_nothing_is_left_out_where_nobody_trains() -> None:
    x = np.ones((40, 5), "float32")
    y, backward = dropped(x, 0.5, (0,), training=False)
    assert y is x
    np.testing.assert_array_equal(backward(x)[0][0], x)
