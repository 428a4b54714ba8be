from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from core.errors import TooLarge, UnsupportedMedia
from core.media import NPY, NPZ, MediaInfo, decode, encode, inspect


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for name, content in members.items():
            target.writestr(name, content)
    return file.getvalue()


def test_numpys_own_archives_are_read() -> None:
    array = np.arange(12.0).reshape(3, 4)
    for save in (np.savez, np.savez_compressed):
        file = io.BytesIO()
        save(file, volume=array)
        decoded = decode(file.getvalue(), NPZ)
        np.testing.assert_array_equal(decoded.array, array)
        assert inspect(file.getvalue()) == decoded.info


def test_zeros_compress_well_and_are_no_bomb() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, np.zeros((1000, 1000)))
    assert decode(file.getvalue()).array.shape == (1000, 1000)


def test_several_arrays_are_known_but_not_decoded() -> None:
    file = io.BytesIO()
    np.savez(file, first=np.zeros(1), second=np.zeros(1))
    assert inspect(file.getvalue()) == MediaInfo(NPZ)
    with pytest.raises(UnsupportedMedia, match="exactly one array") as caught:
        decode(file.getvalue())
    assert "first.npy, second.npy" in str(caught.value)


def test_arrays_among_other_things_are_refused_by_name() -> None:
    content = archive({"x.npy": encode(np.zeros(1), NPY), "readme.txt": b"of x"})
    for read in (inspect, decode):
        with pytest.raises(UnsupportedMedia, match=r"x\.npy, readme\.txt"):
            read(content)


def test_many_names_are_cut_short() -> None:
    file = io.BytesIO()
    np.savez(file, *[np.zeros(1)] * 300)
    with pytest.raises(UnsupportedMedia, match="and 290 more"):
        decode(file.getvalue())


def test_a_bomb_is_refused_before_it_expands() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, np.zeros((2000, 2000), np.uint8))
    assert len(file.getvalue()) < 10_000
    for read in (inspect, decode):
        with pytest.raises(TooLarge, match="too many values"):
            read(file.getvalue(), max_pixels=2000 * 2000 - 1)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(method: int) -> None:
    content = archive({"x.npy": encode(np.zeros(100), NPY)}, method)
    with pytest.raises(UnsupportedMedia, match="compressed in a way"):
        inspect(content)


def test_lies_about_sizes_are_refused() -> None:
    npy = encode(np.zeros(1000), NPY)
    for content in (npy[:-8], npy + bytes(8)):
        for read in (inspect, decode):
            with pytest.raises(UnsupportedMedia, match="the member has"):
                read(archive({"x.npy": content}))
    file = io.BytesIO()
    np.savez(file, np.array([{}], dtype=object))
    with pytest.raises(UnsupportedMedia, match="dtype"):
        inspect(file.getvalue())


def test_a_member_that_expands_impossibly_is_refused() -> None:
    content = bytearray(archive({"x.npy": encode(np.zeros(1000), NPY)}))
    # The expanded size in the directory: 24 bytes into its entry.
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (1 << 30).to_bytes(4, "little")
    with pytest.raises(UnsupportedMedia, match="cannot expand"):
        inspect(bytes(content))


def test_a_wrong_checksum_is_refused() -> None:
    content = bytearray(archive({"x.npy": encode(np.arange(100), NPY)}, zipfile.ZIP_STORED))
    content[400] ^= 1
    with pytest.raises(UnsupportedMedia, match="CRC"):
        decode(bytes(content))


def test_the_same_array_gives_the_same_bytes() -> None:
    array = np.arange(10)
    assert encode(array, NPZ) == encode(array.copy(), NPZ)
    with zipfile.ZipFile(io.BytesIO(encode(array, NPZ))) as opened:
        assert opened.infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)
