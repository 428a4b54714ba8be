from __future__ import annotations

import io
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data import DataOptions, Limits, Room, inspect, load

DTYPES = st.sampled_from(
    ["bool", "uint8", "int8", ">i2", "uint16", "<i4", "int64", "float16", ">f4", "float64"]
)
SHAPES = hnp.array_shapes(min_dims=2, max_dims=5, min_side=1, max_side=5)


def images(dtype: str, shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        elements = st.floats(-100, 100, width=16)
        return hnp.arrays(kind, shape, elements=elements)
    return hnp.arrays(kind, shape)


def reference(x: np.ndarray) -> np.ndarray:
    """The rule of the docs, said once more: N, channels, the rest."""
    if x.ndim == 3:
        x = x.reshape(len(x), 1, *x.shape[1:])
    elif x.ndim > 3 and x.shape[-1] in (1, 3, 4) and x.shape[1] not in (1, 3, 4):
        x = np.stack([x[..., c] for c in range(x.shape[-1])], axis=1)
    return x.astype(np.uint8) if x.dtype == bool else x.astype(x.dtype.newbyteorder("="))


@given(data=st.data(), compressed=st.booleans(), fortran=st.booleans(), on_disk=st.booleans())
@settings(max_examples=150)
def test_what_is_written_is_read(
    make: Any, data: Any, compressed: bool, fortran: bool, on_disk: bool
) -> None:
    shape = data.draw(SHAPES)
    x = data.draw(images(data.draw(DTYPES), shape))
    if fortran:
        x = np.asfortranarray(x)
    y = data.draw(hnp.arrays(np.float64, (len(x), 2), elements=st.floats(-5, 5, width=32)))
    content = make.npz(compressed, x=x, y=y)
    room = Room(memory=data.draw(st.sampled_from([0, 1 << 20])))
    if on_disk:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "data.npz"
            path.write_bytes(content)
            assert inspect(path) == inspect(content)
            found = load(path, room=room)
    else:
        found = load(content, room=room)
    expected = reference(x)
    assert found.info == inspect(content)
    assert (len(found), found.shape, found.dtype) == (len(x), expected.shape[1:], expected.dtype)
    chosen = data.draw(st.lists(st.integers(0, len(x) - 1), max_size=6))
    got, target = found.batch(chosen)
    assert got.dtype == expected.dtype
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected[chosen])
    np.testing.assert_array_equal(target, y[chosen].astype(np.float32))
    assert target.dtype == np.float32
    assert found.classes is None


@given(
    labels=st.lists(st.integers(0, 3), min_size=4, max_size=20).map(
        lambda more: [0, 1, 2, 3, *more]
    ),
    dtype=st.sampled_from(["u1", "i1", ">i2", "<u4", "i8"]),
)
@settings(max_examples=40)
def test_labels(make: Any, labels: list[int], dtype: str) -> None:
    x = np.arange(len(labels) * 4, dtype=np.float32).reshape(-1, 2, 2)
    content = make.npz(x=x, y=np.array(labels, dtype))
    found = load(content)
    assert found.info.counts == tuple(labels.count(label) for label in range(4))
    assert found.classes == ("0", "1", "2", "3")
    column = load(make.npz(x=x, y=np.array(labels, dtype)[:, None]))
    assert column.info == found.info
    np.testing.assert_array_equal(column.y, found.y)
    got, y = found.batch(range(len(labels)))
    assert (got.tolist(), y.tolist(), y.dtype) == (x[:, None].tolist(), labels, np.int64)


def test_names_of_classes(make: Any) -> None:
    y = np.array([1, 0, 1])
    content = make.npz(x=np.zeros((3, 4)), y=y, classes=np.array(["coat", "shirt"]))
    assert load(content).classes == inspect(content).classes == ("coat", "shirt")
    for names in (["coat"], ["coat", "coat"], [["coat", "shirt"]]):
        with pytest.raises(InvalidInput, match="classes"):
            load(make.npz(x=np.zeros((3, 4)), y=y, classes=np.array(names)))
    with pytest.raises(InvalidInput, match="class has no image"):
        load(make.npz(x=np.zeros((3, 4)), y=y, classes=np.array(["coat", "shirt", "hat"])))
    with pytest.raises(InvalidInput, match="y holds no labels"):
        load(make.npz(x=np.zeros((3, 4)), y=y * 0.5, classes=np.array(["coat", "shirt"])))


@pytest.mark.parametrize(
    ("shape", "channels", "expected"),
    [
        ((9, 28, 28), "first", (28, 28)),
        ((9, 28, 28), "last", (28, 28)),
        ((9, 28, 5), "last", (5, 28)),
        ((9, 5, 6, 7), "none", (1, 5, 6, 7)),
        ((9, 3, 6, 4), "last", (4, 3, 6)),
        ((9, 3, 6, 4), None, (3, 6, 4)),
        ((9, 6, 7, 12), None, (6, 7, 12)),
        ((9, 20), None, (20,)),
    ],
)
def test_channels_where_one_says(
    make: Any, shape: tuple[int, ...], channels: Any, expected: tuple[int, ...]
) -> None:
    content = make.npz(x=np.zeros(shape, np.int8))
    options = DataOptions(channels=channels)
    assert inspect(content, options).shape == load(content, options).shape == expected


def test_without_labels_an_image_is_its_own_target(make: Any) -> None:
    x = np.array([[0, 255], [51, 102]], np.uint8)
    for content, options in (
        (make.npz(x=x), DataOptions()),
        (make.npz(x=x, y=np.array([0, 1])), DataOptions(reconstruct=True)),
    ):
        found = load(content, options)
        assert found.info.task == "reconstruction"
        assert found.info.target == found.shape == (2,)
        images, targets = found.batch([1, 0])
        assert images.tolist() == [[51, 102], [0, 255]]
        np.testing.assert_allclose(targets, [[0.2, 0.4], [0, 1]], rtol=1e-6)
        assert targets.dtype == np.float32
    wide = load(make.npz(x=x.astype(np.float64) + 1e-9)).batch([0])
    assert (wide[0].dtype, wide[1].dtype) == (np.float64, np.float32)


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"x": np.zeros((3, 4)), "y": np.array([0, 1])}, "2 labels.*3 images"),
        ({"x": np.zeros((3, 4)), "y": np.array([0, -1, 1])}, "labels count from 0.*-1 at number 1"),
        ({"x": np.zeros((3, 4)), "y": np.array([0, 3, 1])}, "a class has no image.*'2'"),
        ({"x": np.zeros((3, 4)), "y": np.array([0, 0, 0])}, "only one class"),
        ({"x": np.zeros((3, 4)), "y": np.array([0, 1, 1 << 40])}, "too many classes"),
        ({"x": np.zeros((3, 4)), "y": np.array([0, 1, 0.5j])}, "data.y.*complex"),
        ({"x": np.zeros((3, 4)), "y": np.array([0.5, np.nan, 1])}, "data.y.*number 1 holds nan"),
        ({"x": np.zeros((3, 4)), "y": np.array([0.5, 1e300, 1])}, "data.y.*number 1 holds inf"),
        ({"x": np.zeros((3, 4)), "y": np.zeros((3, 0))}, "no labels"),
        ({"x": np.zeros((3, 4)), "y": np.array(2)}, "no labels"),
        ({"x": np.zeros((3, 4), complex)}, "data.x.*complex"),
        ({"x": np.zeros(3)}, "no images.*2 axes"),
        ({"x": np.zeros((0, 3))}, "no images"),
        ({"x": np.zeros((3, 0))}, "no images"),
        ({"images": np.zeros((3, 4))}, "given: .'images'.*an array x"),
        ({"x": np.zeros((3, 4)), "z": np.zeros(3)}, "an array x"),
        ({"x": np.zeros((3, 4)), "classes": np.array(["a"])}, "an array x"),
        ({"x": np.array([[{}, []]], object)}, "data.x.*dtype"),
        ({"x": np.array([["a", "b"]])}, "data.x.*dtype"),
        ({"x": np.zeros((3, 4)), "y": np.array([{}, 1, 2], object)}, "data.y.*dtype"),
        (
            {"x": np.zeros((2, 4)), "y": np.array([0, 1]), "classes": np.array([{}, 1], object)},
            "an npy of this dtype is not read.*object.*accepted: texts",
        ),
    ],
)
def test_refusals(make: Any, arrays: dict[str, np.ndarray], match: str) -> None:
    content = make.npz(**arrays)
    for read in (inspect, load):
        with pytest.raises(InvalidInput, match=match):
            read(content)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("memory", [0, 1 << 20])
def test_an_image_that_is_not_finite_is_named(make: Any, value: float, memory: int) -> None:
    x = np.zeros((7, 5, 5), np.float32)
    x[4, 1, 2] = value
    with pytest.raises(InvalidInput, match=r"data\.x: number 4 holds .*at \[0, 1, 2\] of it"):
        load(make.npz(compressed=True, x=x), room=Room(memory=memory))


def test_an_option_that_says_nothing_is_refused(make: Any) -> None:
    content = make.npz(x=np.zeros((3, 4)))
    with pytest.raises(InvalidInput, match=r"data\.resize: .*the format npz .*channels"):
        load(content, DataOptions(resize=[4, 4]))


def test_indices_out_of_range_are_refused(make: Any) -> None:
    data = load(make.npz(x=np.zeros((3, 4))))
    for indices in ([3], [-1], [[0]], 0):
        with pytest.raises(InvalidInput, match="no such image"):
            data.batch(indices)
    assert data.batch([])[0].shape == (0, 4)


def test_a_stored_array_is_mapped_and_not_copied(make: Any, tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    path.write_bytes(make.npz(x=np.ones((50, 64, 64))))
    data = load(path)
    base: Any = data.images.array  # type: ignore[attr-defined]
    while isinstance(base, np.ndarray):
        base = base.base
    assert type(getattr(base, "obj", base)).__name__ == "mmap"
    path.unlink()
    assert data.batch([49])[0].sum() == 64 * 64


def test_what_does_not_fit_goes_to_the_disk(make: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (50, 8, 8), np.uint8)
    data = load(make.npz(compressed=True, x=x), room=Room(memory=100, scratch=tmp_path))
    np.testing.assert_array_equal(data.batch([7, 3])[0][:, 0], x[[7, 3]])
    assert list(tmp_path.iterdir()) == []


def test_no_room_on_the_disk(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 99}))
    with pytest.raises(TooLarge, match=r"no room to expand x\.npy.*at most 99"):
        load(make.npz(compressed=True, x=np.ones((50, 8))), room=Room(0, tmp_path))


def test_a_wrong_checksum_is_refused(make: Any) -> None:
    for compressed in (False, True):
        content = bytearray(make.npz(compressed, x=np.arange(600.0).reshape(3, 200)))
        content[content.index(b"PK\x01\x02") - 30] ^= 1
        with pytest.raises(UnsupportedMedia, match=r"checksum|cannot be read"):
            load(bytes(content))


def test_a_bomb_is_refused_before_it_expands(make: Any) -> None:
    content = make.npz(compressed=True, x=np.zeros((1000, 1000), np.uint8))
    limits = Limits(ratio=100, harmless=1 << 16)
    for read in (inspect, load):
        with pytest.raises(TooLarge, match="expands to too much"):
            read(content, limits=limits)
        with pytest.raises(TooLarge, match="expands to too much"):
            read(content, limits=Limits(expanded=1 << 16))
    assert load(content).shape == (1000,)


def test_sizes_that_lie_are_refused(make: Any) -> None:
    whole = make.npz(x=np.zeros((3, 4)))
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        npy = archive.read("x.npy")
    for content in (npy[:-8], npy + bytes(8), npy[:40]):
        for read in (inspect, load):
            with pytest.raises(UnsupportedMedia):
                read(make.pack({"x.npy": content}))


def test_names_of_classes_are_texts_that_can_be_written(make: Any) -> None:
    for character in (0x110000, 0xD800):
        names = np.array(["a", "b"])
        names.view(np.uint32)[1] = character
        content = make.npz(x=np.zeros((2, 4)), y=np.array([0, 1]), classes=names)
        for read in (inspect, load):
            with pytest.raises(UnsupportedMedia, match="no character"):
                read(content)


def test_too_many_labels_are_refused_before_they_are_read(make: Any) -> None:
    content = make.npz(compressed=True, x=np.zeros((50, 1)), y=np.arange(50) % 2)
    for read in (inspect, load):
        with pytest.raises(TooLarge, match=r"data\.y: too many labels.*at most 49"):
            read(content, limits=Limits(answers=49))
    assert load(content, limits=Limits(answers=50)).info.count == 50
