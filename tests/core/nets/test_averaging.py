"""Moving averages against the sum that they are."""

from __future__ import annotations

import numpy as np
import pytest

from core.nets.averaging import average


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_an_average_is_the_weighted_sum_of_all_weights_so_far(decay) -> None:
    random = np.random.default_rng(0)
    # Longer than a block.
    history = random.standard_normal((12, 130, 130))
    averages = {"w": history[0].copy()}
    kept = averages["w"]
    for step, weights in enumerate(history[1:], start=1):
        average(averages, {"w": weights, "other": weights}, decay, step)
    shares, left = [], 1.0
    for step in range(len(history) - 1, 0, -1):
        used = min(decay, (1 + step) / (10 + step))
        shares.append(left * (1 - used))
        left *= used
    expected = np.tensordot([left, *reversed(shares)], history, axes=1)
    assert averages["w"] is kept
    np.testing.assert_allclose(kept, expected, rtol=1e-12, atol=1e-14)


def test_float32_stays_float32_and_weights_are_only_read() -> None:
    weights = np.ones((3, 2), np.float32).T
    weights.flags.writeable = False
    averages = {"w": np.zeros((2, 3), np.float32)}
    average(averages, {"w": weights}, 0.9, 10_000)
    np.testing.assert_allclose(averages["w"], np.full((2, 3), 0.1), rtol=1e-6)
    assert averages["w"].dtype == np.float32
