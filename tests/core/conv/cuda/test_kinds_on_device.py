"""The tests of the article's kinds and of draws with the real CuPy: ``pytest -m gpu``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.conv.cuda.test_chance import (
    test_seeds_repeat,
    test_the_distribution_is_that_of_all_outcomes,
    test_what_is_expected_is_the_same,
)
from tests.core.conv.cuda.test_edges import test_edges_are_the_same_however_far
from tests.core.conv.cuda.test_kinds import (
    test_devices_compute_the_same,
    test_kernels_have_the_same_character,
    test_what_is_told_of_a_device_is_on_the_host,
)

pytestmark = pytest.mark.gpu

__all__ = [
    "test_devices_compute_the_same",
    "test_edges_are_the_same_however_far",
    "test_kernels_have_the_same_character",
    "test_seeds_repeat",
    "test_the_distribution_is_that_of_all_outcomes",
    "test_what_is_expected_is_the_same",
    "test_what_is_told_of_a_device_is_on_the_host",
]


@pytest.fixture(scope="module")
def cupy(real_cupy: Any) -> Any:
    """The real one, in place of its stand-in."""
    return real_cupy
