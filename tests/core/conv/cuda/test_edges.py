"""Arrays of a device are extended as those of the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core import conv
from core.arrays import to_numpy
from core.conv.boundary import extend


@pytest.mark.parametrize("boundary", ["constant", "reflect", "mirror", "nearest", "wrap"])
@pytest.mark.parametrize("widths", [((1, 2), (0, 3)), ((1, 17), (2, 0)), ((9, 4), (31, 5))])
def test_edges_are_the_same_however_far(cupy: Any, boundary: Any, widths: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    expected = np.asarray(extend(x, widths, boundary, 7.0))
    found = extend(cupy.asarray(x), widths, boundary, 7.0)
    np.testing.assert_array_equal(to_numpy(found), expected)


def test_kernels_may_be_far_larger_than_their_input(cupy: Any) -> None:
    random = np.random.default_rng(0)
    x, kernel = random.normal(size=(2, 3)), random.normal(size=(3, 20))
    found = conv.convolve(cupy.asarray(x), cupy.asarray(kernel), "same", "wrap", method="direct")
    np.testing.assert_allclose(
        to_numpy(found), conv.convolve(x, kernel, "same", "wrap", method="reference"), atol=1e-9
    )
