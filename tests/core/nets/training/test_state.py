from __future__ import annotations

import errno
import math
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput, UnsupportedMedia
from core.nets.training.state import Progress, State, restore, save

numbers = st.floats(allow_nan=False, allow_infinity=False)
arrays = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    hnp.arrays(
        st.sampled_from(["float32", "float64", "int64"]), hnp.array_shapes(min_dims=0, max_dims=3)
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@settings(max_examples=60)
@given(
    weights=arrays,
    optimiser=arrays,
    average=arrays,
    loss=numbers,
    best=st.none() | numbers,
    history=st.lists(st.dictionaries(st.text(max_size=5), st.none() | numbers), max_size=2),
)
def test_what_is_restored_is_what_was_saved_bit_for_bit(
    folder: Path,
    weights: dict[str, np.ndarray],
    optimiser: dict[str, np.ndarray],
    average: dict[str, np.ndarray],
    loss: float,
    best: float | None,
    history: list[dict[str, float | None]],
) -> None:
    progress = Progress(epoch=3, step=2, loss=loss, best=best, history=tuple(history))
    state = State(weights, optimiser, average, weights, progress)
    save(state, folder / "checkpoint", {"seed": 1})
    found = restore(folder / "checkpoint", state, {"seed": 1})
    assert found.progress == progress
    for group in ("weights", "optimiser", "average", "best"):
        given, read = getattr(state, group), getattr(found, group)
        assert given.keys() == read.keys()
        for name in given:
            assert given[name].shape == read[name].shape
            assert given[name].dtype == read[name].dtype
            assert given[name].tobytes() == read[name].tobytes()


def test_arrays_of_any_layout_are_saved(tmp_path: Path) -> None:
    state = State({"w": np.arange(12.0).reshape(3, 4).T[::2]}, {})
    save(state, tmp_path / "checkpoint", {})
    found = restore(tmp_path / "checkpoint", state, {})
    np.testing.assert_array_equal(found.weights["w"], state.weights["w"])


def test_the_same_state_has_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        save(State({"w": np.ones(2)}, {"step": np.zeros((), int)}), tmp_path / name, {"seed": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_checkpoint_of_another_training_is_refused_by_what_differs(tmp_path: Path) -> None:
    state = State({"w": np.ones(2)}, {})
    save(state, tmp_path / "checkpoint", {"seed": 1})
    with pytest.raises(InvalidInput, match="seed differ"):
        restore(tmp_path / "checkpoint", state, {"seed": 2})


@pytest.mark.parametrize(
    "other", [{"w": np.ones(3)}, {"w": np.ones(2, "float32")}, {"v": np.ones(2)}, {}]
)
def test_a_checkpoint_of_another_net_is_refused(
    tmp_path: Path, other: dict[str, np.ndarray]
) -> None:
    save(State({"w": np.ones(2)}, {}), tmp_path / "checkpoint", {})
    with pytest.raises(InvalidInput, match="of another net"):
        restore(tmp_path / "checkpoint", State(other, {}), {})


@settings(max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_part_of_a_checkpoint_is_refused(folder: Path, share: float) -> None:
    path = folder / "whole"
    state = State({"w": np.ones(20)}, {})
    save(state, path, {})
    whole = path.read_bytes()
    (folder / "part").write_bytes(whole[: math.floor(share * len(whole))])
    with pytest.raises(UnsupportedMedia, match="no checkpoint"):
        restore(folder / "part", state, {})


def test_another_safetensors_file_is_no_checkpoint(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"w": np.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(UnsupportedMedia, match="no checkpoint"):
        restore(tmp_path / "model.safetensors", State({}, {}), {})


def test_a_failed_write_leaves_the_checkpoint_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint"
    state = State({"w": np.ones(2)}, {})
    save(state, path, {})
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("core.nets.training.state.save_file", fail)
    with pytest.raises(OSError, match="no space"):
        save(State({"w": np.zeros(2)}, {}), path, {})
    assert path.read_bytes() == before


def test_a_disk_that_takes_no_more_is_told_as_the_system_tells_it(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            save(State({"w": np.zeros(10_000)}, {}), tmp_path / "checkpoint", {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_leaves_no_part_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        save(State({"w": np.zeros(2)}, {}), tmp_path / "checkpoint", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "7",
        '{"format": 1}',
        '{"format": 1, "about": 1, "progress": {}}',
        '{"format": 1, "about": {}}',
        '{"format": 1, "about": {}, "progress": []}',
        '{"format": 1, "about": {}, "progress": {"epoch": "x"}}',
        '{"format": 1, "about": {}, "progress": {"history": 3}}',
        '{"format": 1, "about": {}, "progress": {"epoch": NaN}}',
        '{"format": 2, "about": {}, "progress": {}}',
        "[" * 100_000,
    ],
)
def test_a_description_that_is_none_is_refused(tmp_path: Path, document: str) -> None:
    from safetensors.numpy import save_file

    save_file({"weights/w": np.ones(2)}, tmp_path / "checkpoint", {"convq.training": document})
    with pytest.raises(UnsupportedMedia, match="checkpoint"):
        restore(tmp_path / "checkpoint", State({"w": np.ones(2)}, {}), {})
