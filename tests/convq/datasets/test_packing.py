from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from convq.datasets.packing import pack
from core.errors import InvalidInput, UnsupportedMedia
from core.media import PNG, encode
from core.nets.data import DataOptions, load

RNG = np.random.default_rng(8)


def fill(folder: Path, name: str, size: int = 5) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(RNG.integers(0, 256, (size, size), np.uint8), PNG))


def test_a_folder_of_classes(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        fill(folder, name)
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("")
    found = pack([folder], tmp_path / "pets.zip")
    assert (found.classes, found.counts) == (("cat", "dog"), (2, 1))
    first = (tmp_path / "pets.zip").read_bytes()
    # Packed into the folder itself, and again over the file that is there.
    for _ in range(2):
        pack([folder], folder / "all.zip")
        assert (folder / "all.zip").read_bytes() == first
    (folder / "all.zip").unlink()
    assert pack([folder / "cat", folder / "dog"], tmp_path / "b.zip") == found
    assert load(tmp_path / "pets.zip").info == found


def test_a_pair_of_idx_files(tmp_path: Path) -> None:
    images, labels = tmp_path / "images.gz", tmp_path / "labels"
    images.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 2, 3, 4) + bytes(24)))
    labels.write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, 2) + b"\0\1")
    assert pack([images, labels], tmp_path / "mnist.zip").shape == (1, 3, 4)


def test_options_for_reading(tmp_path: Path) -> None:
    fill(tmp_path / "a", "x/1.png", 5)
    fill(tmp_path / "a", "y/1.png", 6)
    found = pack([tmp_path / "a"], tmp_path / "a.zip", DataOptions(resize=[3, 3]))
    assert found.shape == (1, 3, 3)


def test_what_is_no_data_set_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.docx").write_bytes(b"dear")
    out = tmp_path / "out.zip"
    out.write_bytes(b"older")
    with pytest.raises(UnsupportedMedia, match="no data set"):
        pack([tmp_path / "letters"], out)
    assert out.read_bytes() == b"older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters", "out.zip"]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, match in (("nowhere", "no such file"), ("empty", "no files")):
        with pytest.raises(InvalidInput, match=match):
            pack([tmp_path / path], tmp_path / "out.zip")
    fill(tmp_path, "a/1.png")
    fill(tmp_path, "b/1.png")
    with pytest.raises(InvalidInput, match="two files have one name"):
        pack([tmp_path / "a" / "1.png", tmp_path / "b" / "1.png"], tmp_path / "out.zip")
