"""Augmentations: seeded, never in place, and image by image what they say."""

from __future__ import annotations

import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.errors import InvalidInput
from core.nets.augment import AUGMENTS, AnyAugment, augment_of

MOVES = [
    {"augment": "flip"},
    {"augment": "flip", "direction": "vertical"},
    {"augment": "shift", "most": 0.4},
    {"augment": "shift", "most": 0.4, "outside": "wrap"},
    {"augment": "crop", "padding": 2},
    {"augment": "crop", "padding": 2, "outside": "reflect"},
]
OTHERS = [
    {"augment": "cutout", "size": 3},
    {"augment": "cutout", "size": 2, "fill": "mean"},
    {"augment": "mixup"},
]
every_move = pytest.mark.parametrize("spec", MOVES, ids=str)
every_spec = pytest.mark.parametrize("spec", MOVES + OTHERS, ids=str)


def apply(spec: dict, x: np.ndarray, y: np.ndarray, seed: int = 0, classes: int | None = None):
    parsed = TypeAdapter(AnyAugment).validate_python(spec)
    return augment_of(parsed).apply(parsed, x, y, np.random.default_rng(seed), classes)


def pictures(images: int, *sides: int) -> np.ndarray:
    """Return images with two channels in which every number occurs once."""
    shape = (images, 2, *sides)
    return 1.0 + np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_the_union_is_of_all_augmentations() -> None:
    union = typing.get_args(typing.get_args(AnyAugment)[0])
    assert set(union) == {augment.spec for augment in AUGMENTS}
    assert {spec["augment"] for spec in MOVES + OTHERS} == {augment.name for augment in AUGMENTS}


@every_spec
@settings(max_examples=10)
@given(
    images=st.integers(1, 5),
    sides=st.lists(st.integers(1, 6), min_size=2, max_size=3),
    seed=st.integers(0, 1000),
)
def test_the_same_seed_gives_the_same_and_nothing_is_written_to(spec, images, sides, seed) -> None:
    x, y = pictures(images, *sides), np.arange(images) % 3
    x.flags.writeable = y.flags.writeable = False
    found, targets = apply(spec, x, y, seed, classes=3)
    again, same = apply(spec, x, y, seed, classes=3)
    np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(targets, same)
    assert found.shape == x.shape
    assert found.dtype == np.float32
    assert len(targets) == images


@every_spec
def test_another_seed_gives_another_batch(spec) -> None:
    x, y = pictures(16, 8, 8), np.arange(16)
    assert (apply(spec, x, y, 0, 16)[0] != apply(spec, x, y, 1, 16)[0]).any()


@pytest.mark.parametrize("direction", ["horizontal", "vertical"])
def test_flip_mirrors_about_half_of_the_images(direction) -> None:
    x = pictures(400, 3, 4)
    found, _ = apply({"augment": "flip", "direction": direction}, x, np.arange(400))
    mirrored = x[..., ::-1] if direction == "horizontal" else x[..., ::-1, :]
    as_they_were = [(a == b).all() for a, b in zip(found, x, strict=True)]
    assert 140 < sum(as_they_were) < 260
    for image, other, same in zip(found, mirrored, as_they_were, strict=True):
        assert same or (image == other).all()


@pytest.mark.parametrize(
    ("spec", "reach"),
    [
        ({"augment": "shift", "most": 0.4}, (2, 3)),
        ({"augment": "crop", "padding": 2}, (2, 2)),
    ],
    ids=["shift", "crop"],
)
@pytest.mark.parametrize("outside", ["zero", "nearest", "reflect", "wrap"])
def test_every_move_is_one_of_those_allowed_and_all_occur(spec, reach, outside) -> None:
    x = pictures(300, 5, 8)
    found, _ = apply({**spec, "outside": outside}, x, np.arange(300))
    mode = {"zero": "constant", "nearest": "edge", "reflect": "symmetric", "wrap": "wrap"}[outside]
    widths = [(n, n) for n in reach]
    seen = set()
    for image, original in zip(found, x, strict=True):
        framed = np.pad(original, [(0, 0), *widths], mode)
        places = [
            (i, j)
            for i in range(2 * reach[0] + 1)
            for j in range(2 * reach[1] + 1)
            if (framed[:, i : i + 5, j : j + 8] == image).all()
        ]
        assert places
        seen.update(places)
    assert len(seen) == (2 * reach[0] + 1) * (2 * reach[1] + 1)


@every_move
def test_targets_that_are_pictures_move_along(spec) -> None:
    x = pictures(20, 6, 6)
    found, targets = apply(spec, x, x)
    np.testing.assert_array_equal(targets, found)
    found, masks = apply(spec, x, x[:, 0].astype(int))
    np.testing.assert_array_equal(masks, found[:, 0])
    _, labels = apply(spec, x, np.arange(20))
    np.testing.assert_array_equal(labels, np.arange(20))


def test_cutout_hides_one_square_or_what_of_it_is_inside() -> None:
    x = pictures(200, 7, 9)
    found, targets = apply({"augment": "cutout", "size": 4}, x, x)
    assert targets is x
    areas = set()
    for image, original in zip(found, x, strict=True):
        hidden = (image == 0).all(axis=0)
        rows, columns = np.flatnonzero(hidden.any(axis=1)), np.flatnonzero(hidden.any(axis=0))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 1 <= height <= 4
        assert 1 <= width <= 4
        assert hidden.sum() == height * width
        np.testing.assert_array_equal(image[:, ~hidden], original[:, ~hidden])
        areas.add(int(hidden.sum()))
    assert max(areas) == 16
    assert len(areas) > 3


def test_cutout_fills_with_the_mean_of_the_channel() -> None:
    x = pictures(1, 4, 4)
    found, _ = apply({"augment": "cutout", "size": 2, "fill": "mean"}, x, np.array([0]))
    changed = found != x
    for channel in range(2):
        values = set(found[0, channel][changed[0, channel]].tolist())
        assert values == {float(x[0, channel].mean())}


@pytest.mark.parametrize("kind", ["labels", "numbers"])
def test_mixup_mixes_images_and_targets_alike(kind) -> None:
    """Image n is n all over and so is its target; so a mixture tells its target."""
    images = 50
    x = np.broadcast_to(np.arange(images, dtype=np.float32)[:, None, None], (images, 1, 3))
    y = np.arange(images) if kind == "labels" else np.arange(images, dtype=np.float32)[:, None]
    found, targets = apply({"augment": "mixup", "alpha": 1.0}, x, y, classes=images)
    assert targets.dtype == np.float32
    if kind == "labels":
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
        assert (np.count_nonzero(targets, axis=1) <= 2).all()
        np.testing.assert_allclose(targets @ np.arange(images), found[:, 0, 0], rtol=1e-5)
    else:
        np.testing.assert_array_equal(targets[:, 0], found[:, 0, 0])
    assert len(set(found[:, 0, 0].tolist())) > 40


def test_mixup_shares_are_mostly_near_the_ends_with_a_small_alpha() -> None:
    x, y = np.zeros((2000, 1, 1), np.float32), np.arange(2000) % 2
    _, targets = apply({"augment": "mixup", "alpha": 0.1}, x, y, classes=2)
    mixed = targets[(targets.min(axis=1) > 0.25)]
    # Beta(0.1, 0.1) lies within 0.25 to 0.75 with probability 0.10; half of the pairs differ.
    assert 50 < len(mixed) < 160


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float64"])
def test_dtypes(dtype) -> None:
    x, y = pictures(4, 5, 5).astype(dtype), np.arange(4)
    for spec in [*MOVES, *OTHERS[:2]]:
        assert apply(spec, x, y)[0].dtype == dtype
    mixed, _ = apply(OTHERS[2], x, y, classes=4)
    assert mixed.dtype == ("float64" if dtype == "float64" else "float32")


@pytest.mark.parametrize(
    ("spec", "x"),
    [
        ({"augment": "flip"}, np.zeros((2, 3))),
        ({"augment": "flip", "direction": "vertical"}, np.zeros((2, 1, 3))),
        ({"augment": "shift"}, np.zeros((2, 3))),
        ({"augment": "crop"}, np.zeros((2, 3))),
        ({"augment": "cutout"}, np.zeros((2, 3))),
    ],
    ids=str,
)
def test_images_without_the_axes_are_refused(spec, x) -> None:
    with pytest.raises(InvalidInput, match="augment: the images have too few axes"):
        apply(spec, x, np.zeros(2, int))


def test_mixup_of_labels_needs_to_know_the_classes() -> None:
    with pytest.raises(InvalidInput, match="augment: labels are mixed as distributions"):
        apply({"augment": "mixup"}, np.zeros((2, 1, 3)), np.zeros(2, int))


@pytest.mark.parametrize(
    "spec",
    [
        {"augment": "shift", "most": 0.6},
        {"augment": "crop", "padding": 0},
        {"augment": "cutout", "size": 0},
        {"augment": "mixup", "alpha": 0.0},
        {"augment": "flip", "probability": 2.0},
        {"augment": "rotate"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(spec) -> None:
    with pytest.raises(ValidationError):
        apply(spec, pictures(1, 4, 4), np.zeros(1, int))
