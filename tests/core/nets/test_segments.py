"""How a net and a batch are cut."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.nets.graph import build
from core.nets.segments import LANES, Segment, cut, groups_of, shares_of
from core.nets.spec import NetSpec


def segments(
    side: int, layers: list[dict[str, Any]], *, training: bool = True
) -> tuple[Segment, ...]:
    spec = NetSpec.model_validate({"input": [1, side, side], "layers": layers})
    return cut(build(spec), len(layers) - 1, training=training)


LAYERS = [
    {"layer": "conv", "filters": 2, "kernel": 3},
    {"layer": "batch_norm"},
    {"layer": "relu", "name": "kept"},
    {"layer": "flatten"},
    {"layer": "dense", "features": 3},
    {"layer": "relu"},
]


def names(found: tuple[Segment, ...]) -> list[list[str]]:
    return [[node.layer.name for node in segment.nodes] for segment in found]


def test_layers_that_need_the_batch_are_segments_of_their_own() -> None:
    learning = segments(8, LAYERS)
    assert names(learning) == [["conv"], ["batch_norm"], ["relu", "flatten"], ["dense"], ["relu"]]
    assert [segment.whole for segment in learning] == [False, True, False, True, False]


def test_batch_norm_needs_the_batch_only_to_learn() -> None:
    found = segments(8, LAYERS, training=False)
    assert names(found) == [["conv", "batch_norm", "relu", "flatten"], ["dense"], ["relu"]]


def test_only_what_an_output_needs_is_computed() -> None:
    spec = NetSpec.model_validate({"input": [1, 8, 8], "layers": LAYERS})
    assert names(cut(build(spec), 0, training=False)) == [["conv"]]


def test_what_is_read_later_is_kept_and_the_rest_is_freed() -> None:
    layers = [
        {"layer": "relu", "name": "a"},
        {"layer": "tanh", "name": "b"},
        {"layer": "batch_norm", "name": "c"},
        {"layer": "add", "inputs": ["c", "a"]},
    ]
    first, norm, last = segments(8, layers)
    assert (first.enters, first.leaves, first.frees) == ((-1,), (0, 1), ((-1,), ()))
    assert (norm.enters, norm.leaves, norm.drops) == ((1,), (2,), (1,))
    assert (last.enters, last.leaves, last.drops) == ((0, 2), (3,), (0, 2))
    assert last.wanted == (2,)


@given(side=st.sampled_from([8, 28, 200]), images=st.integers(1, 600))
def test_groups_are_the_batch_in_order_and_fill_registers(side, images) -> None:
    found = segments(side, LAYERS)
    groups = groups_of(found, images)
    assert [i for group in groups for i in range(images)[group]] == list(range(images))
    sizes = [group.stop - group.start for group in groups]
    assert all(size == sizes[0] for size in sizes[:-1])
    assert sizes[0] % LANES == 0 or len(groups) == 1
    # Two cores at least find work, if there is enough of it for one group of each.
    assert len(groups) > 1 or images <= LANES
    for segment in found:
        assert shares_of(segment, groups) in (groups, [slice(0, images)])
        assert not segment.whole or len(shares_of(segment, groups)) == 1


def test_large_pictures_are_cut_and_short_vectors_are_not() -> None:
    found = segments(100, LAYERS)
    groups = groups_of(found, 256)
    assert len(groups) >= 4
    assert shares_of(found[0], groups) == groups
    assert shares_of(found[-1], groups) == [slice(0, 256)]
