from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data import DataOptions, Limits, Room, inspect, load

RNG = np.random.default_rng(6)
IMAGES = RNG.integers(0, 256, (5, 3, 4, 6), np.uint8)


def members(make: Any, folder: str = "") -> dict[str, bytes]:
    return {f"{folder}{i}.png": make.picture(image) for i, image in enumerate(IMAGES)}


@given(
    targets=st.lists(
        st.tuples(st.floats(-5, 5, width=32), st.integers(-5, 5)), min_size=5, max_size=5
    ),
    order=st.permutations(range(5)),
    top=st.sampled_from(["", "drive/"]),
    memory=st.sampled_from([0, 1 << 20]),
)
@settings(max_examples=40)
def test_numbers_to_learn(
    make: Any, targets: list[tuple[float, int]], order: list[int], top: str, memory: int
) -> None:
    rows = [(f"pictures/{i}.png", *targets[i]) for i in order]
    index = make.table(["file", "steering", "speed"], rows)
    content = make.pack({f"{top}index.csv": index, **members(make, f"{top}pictures/")})
    found = load(content, room=Room(memory))
    assert found.info == inspect(content)
    assert (found.info.task, found.info.target, found.classes) == ("regression", (2,), None)
    x, y = found.batch(range(5))
    np.testing.assert_array_equal(x, IMAGES[order])
    np.testing.assert_array_equal(y, np.array([targets[i] for i in order], np.float32))


NAMES = st.sampled_from(["cat", "dog, big", 'a "fox"', "7"])


@given(labels=st.lists(NAMES, min_size=5, max_size=5).filter(lambda names: len(set(names)) > 1))
@settings(max_examples=40)
def test_names_of_classes(make: Any, labels: list[str]) -> None:
    rows = [(f"{i}.png", label) for i, label in enumerate(labels)]
    content = make.pack(members(make) | {"index.csv": make.table(["file", "label"], rows)})
    found = load(content)
    assert found.classes == tuple(sorted(set(labels)))
    _, y = found.batch(range(5))
    assert [(found.classes or ())[label] for label in y] == labels


def test_files_alone_and_ignored_labels(make: Any) -> None:
    rows = [(f"{i}.png", "x") for i in range(5)]
    for index, options in (
        (make.table(["file"], [row[:1] for row in rows]), None),
        (make.table(["file", "label"], rows), DataOptions(reconstruct=True)),
    ):
        found = load(make.pack(members(make) | {"index.csv": index}), options)
        assert (found.info.task, len(found)) == ("reconstruction", 5)


def test_numbers_for_recordings(make: Any) -> None:
    wavs = {f"{i}.wav": make.wav(np.full(8, i / 4, np.float32)) for i in range(3)}
    index = make.table(["file", "pitch"], [(f"{i}.wav", i / 2) for i in range(3)])
    found = load(make.pack(wavs | {"index.csv": index}))
    assert found.batch([2])[1].tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("header", "rows", "match"),
    [
        (["file", "label"], [("0.png", "a")], "says nothing of 4 files.*1.png"),
        (["file", "label"], [("9.png", "a")], r"names a file which is not.*9\.png in row 1"),
        (["file", "label"], [("0.png", "a"), ("0.png", "b")], r"twice.*0\.png in row 2"),
        (["name", "label"], [("0.png", "a")], "does not say which files.*a column file"),
        (["file", "label", "x"], [(f"{i}.png", "a", 1) for i in range(5)], "stands alone"),
        (["file", "x"], [(f"{i}.png", "ab"[i > 2]) for i in range(5)], r"data\.x.*'a' in row 1"),
        (["file", "x"], [(f"{i}.png", "nan") for i in range(5)], r"data\.x.*'nan' in row 1"),
        (["file", "label"], [(f"{i}.png", i / 4) for i in range(5)], r"data\.label.*0.0 in row 1"),
        (["file", "label"], [(f"{i}.png", " ") for i in range(5)], "no label.*row 1"),
        (["file", "label"], [(f"{i}.png", "a") for i in range(5)], "only one class"),
        (["file", "label"], [], "no lines below its header"),
        (["file", "file"], [("0.png", "1")], "a name of its own"),
        (["file", "label"], [("0.png",)], "line 2 of index.csv has 1 fields.*2: file, label"),
    ],
)
def test_refusals(make: Any, header: list[str], rows: list[tuple[Any, ...]], match: str) -> None:
    content = make.pack(members(make) | {"index.csv": make.table(header, rows)})
    for read in (inspect, load):
        with pytest.raises(InvalidInput, match=match):
            read(content)


def test_what_is_no_table(make: Any) -> None:
    for index, match in ((b"file,label\n\xff,a", "not UTF-8.*byte 11"), (b'file\n"a', "no CSV")):
        with pytest.raises(UnsupportedMedia, match=match):
            load(make.pack(members(make) | {"index.csv": index}))
    with pytest.raises(InvalidInput, match="more than one index"):
        load(make.pack({"a/index.csv": b"file\n", "b/index.csv": b"file\n"}))
    with pytest.raises(TooLarge, match=r"index\.csv is too large"):
        load(make.pack({"index.csv": b"file\n" * 30}), limits=Limits(text=99))
