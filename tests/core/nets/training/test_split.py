from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.nets.training.split import split


@given(
    sizes=st.lists(st.integers(2, 40), min_size=1, max_size=5),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 1000),
)
def test_every_class_is_on_both_sides_in_proportion(
    sizes: list[int], fraction: float, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    learned, validated = split(len(labels), fraction, seed, labels)
    assert sorted([*learned, *validated]) == list(range(len(labels)))
    if all(1 <= fraction * size <= size - 1 for size in sizes):
        assert len(validated) == round(fraction * len(labels))
    for label, size in enumerate(sizes):
        share = int((labels[validated] == label).sum())
        assert 1 <= share <= size - 1
        assert abs(share - fraction * size) <= 1


@given(count=st.integers(2, 200), fraction=st.floats(0.01, 0.99))
def test_without_labels_the_whole_is_divided(count: int, fraction: float) -> None:
    learned, validated = split(count, fraction, 0)
    assert sorted([*learned, *validated]) == list(range(count))
    assert abs(len(validated) - fraction * count) <= 1
    assert 1 <= len(validated) <= count - 1


def test_the_seed_decides() -> None:
    one, same, other = (split(1000, 0.1, seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_class_with_one_image_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="'cat' has a single image") as caught:
        split(5, 0.2, 0, np.array([0, 0, 1, 2, 2]), ("ant", "cat", "dog"))
    assert caught.value.field == "validation"


def test_one_image_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least two images"):
        split(1, 0.5, 0)
