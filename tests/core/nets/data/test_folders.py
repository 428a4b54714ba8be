from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data import DataOptions, Limits, Room, inspect, load
from core.nets.data.items import StreamedImages

RNG = np.random.default_rng(5)


def colour(*size: int) -> np.ndarray:
    return RNG.integers(0, 256, (3, *(size or (6, 7))), np.uint8)


@given(
    seed=st.integers(0, 1000),
    channels=st.sampled_from([1, 2, 3, 4]),
    classes=st.lists(
        st.text("abcxyz0159 ", min_size=1, max_size=4).map(str.strip).filter(bool),
        min_size=2,
        max_size=4,
        unique=True,
    ),
    top=st.sampled_from(["", "data/", "some/where/"]),
    kind=st.sampled_from([("PNG", ".png"), ("TIFF", ".tif"), ("WEBP", ".WebP")]),
    kept=st.integers(0, 12),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
@settings(max_examples=60)
def test_what_is_written_is_read(
    make: Any,
    seed: int,
    channels: int,
    classes: list[str],
    top: str,
    kind: tuple[str, str],
    kept: int,
    method: int,
) -> None:
    if kind[0] == "WEBP":
        channels = 3  # It knows no grey, and no colour where it is transparent.
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 9, 2)
    written = {}
    members = {}
    for number in range(random.integers(len(classes), 13)):
        image = random.integers(0, 256, (channels, height, width), np.uint8)
        name = f"{top}{classes[number % len(classes)]}/{number:03}{kind[1]}"
        file = io.BytesIO()
        shown = image[0] if channels == 1 else np.moveaxis(image, 0, -1)
        Image.fromarray(np.ascontiguousarray(shown)).save(file, kind[0], lossless=True)
        written[name], members[name] = image, file.getvalue()
    content = make.pack(members, method)
    # No image fits, some of them do, or all.
    found = load(content, room=Room(memory=kept * channels * int(height * width)))
    assert isinstance(found.images, StreamedImages) == (kept < len(members))
    assert found.info == inspect(content)
    assert set(found.classes or ()) == set(classes)
    names = sorted(members)
    for _ in range(2):
        chosen = random.integers(0, len(names), 20)
        x, y = found.batch(chosen)
        np.testing.assert_array_equal(x, np.stack([written[names[i]] for i in chosen]))
        assert [(found.classes or ())[label] for label in y] == [
            names[i].split("/")[-2] for i in chosen
        ]


def test_classes_that_are_numbers_count(make: Any) -> None:
    members = {f"{name}/a.png": make.picture(colour()) for name in ("10", "9", "0")}
    assert load(make.pack(members)).classes == ("0", "9", "10")


def test_pictures_in_one_folder_have_no_classes(make: Any) -> None:
    for folder in ("", "all/"):
        content = make.pack({f"{folder}{i}.png": make.picture(colour()) for i in range(3)})
        found = load(content)
        assert (found.info.task, found.classes, len(found)) == ("reconstruction", None, 3)
        x, y = found.batch([2])
        np.testing.assert_allclose(y, x / 255, rtol=1e-6)


def test_labels_can_be_ignored(make: Any) -> None:
    content = make.pack({f"{name}/a.png": make.picture(colour()) for name in "ab"})
    assert load(content, DataOptions(reconstruct=True)).info.task == "reconstruction"


def test_what_systems_leave_behind_is_left_out(make: Any) -> None:
    picture = make.picture(colour())
    members = {"a/1.png": picture, "b/1.png": picture, "a/.DS_Store": b"", "b/Thumbs.db": b""}
    assert len(load(make.pack(members | {"__MACOSX/a/._1.png": b"", "a/": b""}))) == 2


@pytest.mark.parametrize("memory", [0, 1 << 20])
@pytest.mark.parametrize(
    ("members", "error", "match"),
    [
        ({"b/2.png": colour(6, 8)}, InvalidInput, r"a/1\.png: .*6, 7.*b/2\.png: .*6, 8.*resize="),
        ({"b/2.png": colour()[:1]}, InvalidInput, r"a/1\.png: .*3, 6.*b/2\.png: .*1, 6.*colour="),
        ({"b/2.png": b"no picture"}, UnsupportedMedia, r"b/2\.png: this is no picture"),
        ({"b/2.png": b""}, UnsupportedMedia, r"b/2\.png: this is no picture"),
        ({"b/2.png": "cut"}, UnsupportedMedia, r"b/2\.png: .*(cannot be read|damaged)"),
        ({"b/readme.txt": b"hello"}, InvalidInput, r"not one of its pictures.*b/readme\.txt"),
        ({"b/2.wav": b"hello"}, InvalidInput, r"not one of its pictures.*b/2\.wav"),
        ({"3.png": colour()}, InvalidInput, "names its class"),
        ({"b/c/3.png": colour()}, InvalidInput, "names its class"),
        ({"b/": b""}, InvalidInput, "only one class"),
        ({"b/2.png": colour(), "c/": b""}, InvalidInput, r"a class has no image.*'c'"),
    ],
)
def test_refusals(
    make: Any, memory: int, members: dict[str, Any], error: type[Exception], match: str
) -> None:
    good = make.picture(colour())
    contents = {
        name: make.picture(content)
        if isinstance(content, np.ndarray)
        else good[:20]
        if content == "cut"
        else content
        for name, content in members.items()
    }
    content = make.pack({"a/1.png": good, **contents})
    with pytest.raises(error, match=match):
        load(content, room=Room(memory))


def test_a_picture_that_breaks_off_is_named_when_it_is_wanted(make: Any) -> None:
    good = make.picture(colour(40, 40))
    content = make.pack({"a/1.png": good, "b/1.png": good[: len(good) // 2]})
    with pytest.raises(UnsupportedMedia, match=r"b/1\.png"):
        load(content)
    # Its header is whole, and there is no room to decode it beforehand.
    found = load(content, room=Room(memory=0))
    found.batch([0])
    with pytest.raises(UnsupportedMedia, match=r"b/1\.png"):
        found.batch([0, 1])


def test_bytes_changed_in_the_archive_are_noticed(make: Any) -> None:
    good = make.picture(colour(40, 40))
    content = bytearray(make.pack({"a/1.png": good, "b/1.png": good}, zipfile.ZIP_STORED))
    content[300] ^= 1
    with pytest.raises(UnsupportedMedia, match=r"a/1\.png.*CRC"):
        load(bytes(content))


def test_pictures_beyond_the_limit_are_not_decoded(make: Any) -> None:
    content = make.pack({f"{name}/1.png": make.picture(colour(30, 30)) for name in "ab"})
    for read in (inspect, load):
        with pytest.raises(TooLarge, match=r"a/1\.png: too many pixels"):
            read(content, limits=Limits(pixels=899))


def test_grey_and_colour_made_alike(make: Any) -> None:
    image = colour()
    alpha = np.concatenate([image, image[:1]])
    content = make.pack(
        {
            "a/1.png": make.picture(image),
            "a/2.png": make.picture(image[:1]),
            "b/3.png": make.picture(alpha),
            "b/4.png": make.picture(alpha[[0, 3]]),
        }
    )
    rgb, _ = load(content, DataOptions(colour="rgb")).batch(range(4))
    grey, _ = load(content, DataOptions(colour="grey")).batch(range(4))
    same = np.repeat(image[:1], 3, axis=0)
    np.testing.assert_array_equal(rgb, np.stack([image, same, image, same]))
    luma = np.einsum("c,chw->hw", [0.299, 0.587, 0.114], image.astype(float))[None]
    assert np.abs(grey[[0, 2]] - luma).max() <= 0.5 + 1e-9
    np.testing.assert_array_equal(grey[[1, 3]], np.stack([image[:1]] * 2))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_sizes_made_alike(make: Any, dtype: type) -> None:
    ramp = np.linspace(0, 200, 12 * 16).reshape(1, 12, 16).astype(dtype)
    flat = np.full((1, 5, 9), 77, dtype)
    members = {"a/1.tif": make.picture(ramp, "TIFF"), "b/1.tif": make.picture(flat, "TIFF")}
    options = DataOptions(resize=[4, 8])
    found = load(make.pack(members), options)
    assert (found.shape, found.dtype) == ((1, 4, 8), np.dtype(dtype))
    assert inspect(make.pack(members), options) == found.info
    x, _ = found.batch([0, 1])
    assert (x[1] == 77).all()
    # Shrunk by whole numbers, a straight line stays one, away from the borders.
    inner = x[0, 0, 1:-1, 1:-1].astype(float)
    blocks = ramp[0].reshape(4, 3, 8, 2).astype(float).mean(axis=(1, 3))
    np.testing.assert_allclose(inner, blocks[1:-1, 1:-1], atol=1)


def test_not_finite(make: Any) -> None:
    image = np.zeros((1, 3, 3), np.float32)
    bad = image.copy()
    bad[0, 1, 1] = np.nan
    members = {"a/1.tif": make.picture(image, "TIFF"), "b/1.tif": make.picture(bad, "TIFF")}
    with pytest.raises(InvalidInput, match=r"b/1\.tif: .*nan"):
        load(make.pack(members))


def test_recordings(make: Any) -> None:
    tone = (np.sin(np.arange(900)) * 20_000).astype(np.int16)
    members = {
        "low/a.wav": make.wav(tone),
        "high/b.wav": make.wav((tone / 32768).astype(np.float32)),
        "high/c.wav": make.wav((tone // 256 + 128).astype(np.uint8)),
        "high/d.wav": make.wav(tone.astype(np.int32) << 16),
    }
    found = load(make.pack(members))
    assert (found.classes, found.shape, found.dtype) == (("high", "low"), (1, 900), np.float32)
    assert found.info.about == {"sample_rate": 8000}
    x, _ = found.batch(range(4))
    np.testing.assert_allclose(x[:, 0], np.tile(tone / 32768, (4, 1)), atol=1 / 128)
    np.testing.assert_allclose(x[[0, 2, 3], 0], np.tile(tone / 32768, (3, 1)), atol=1e-6)


def test_recordings_made_as_long(make: Any) -> None:
    sound = np.linspace(-0.5, 0.5, 60, dtype=np.float32).reshape(30, 2)
    members = {"a/1.wav": make.wav(sound), "b/1.wav": make.wav(sound[:9])}
    with pytest.raises(InvalidInput, match=r"a/1\.wav: .*2, 30.*b/1\.wav: .*2, 9.*samples="):
        load(make.pack(members))
    found = load(make.pack(members), DataOptions(samples=20))
    x, _ = found.batch([0, 1])
    np.testing.assert_array_equal(x[0], sound[:20].T)
    np.testing.assert_array_equal(x[1], np.pad(sound[:9].T, ((0, 0), (0, 11))))
    with pytest.raises(InvalidInput, match=r"data\.resize.*recordings"):
        load(make.pack(members), DataOptions(resize=[2, 2]))


def test_recordings_of_different_rates_are_refused(make: Any) -> None:
    sound = np.zeros(9, np.float32)
    members = {"a/1.wav": make.wav(sound, 8000), "b/1.wav": make.wav(sound, 16000)}
    with pytest.raises(InvalidInput, match=r"a/1\.wav: .*8000.*b/1\.wav: .*16000"):
        load(make.pack(members))


def test_empty_recordings_are_refused(make: Any) -> None:
    members = {f"{name}/1.wav": make.wav(np.zeros(0, np.int16)) for name in "ab"}
    with pytest.raises(UnsupportedMedia, match=r"a/1\.wav: this recording is empty"):
        load(make.pack(members))


def test_those_that_come_first_are_kept(make: Any) -> None:
    content = make.pack({f"{name}/1.png": make.picture(colour()) for name in "abcd"})
    found = load(content, room=Room(memory=2 * 126))
    images: Any = found.images
    for indices in ([2], [0, 3], [1, 2]):
        found.batch(indices)
    assert len(images._kept) == 2
    assert 2 in images._kept
