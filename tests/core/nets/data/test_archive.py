from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.nets.data.archive import open_archive
from core.nets.data.limits import LIMITS, Limits


def archive(content: bytes, limits: Limits = LIMITS) -> Any:
    return open_archive(io.BytesIO(content), limits)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.png", "a/../../up.png", "a\\b.png", "."])
def test_names_that_leave_the_archive(make: Any, name: str) -> None:
    with pytest.raises(UnsupportedMedia, match="outside of itself"):
        archive(make.pack({name: b""}))


def test_too_many_files(make: Any) -> None:
    content = make.pack({str(number): b"" for number in range(5)})
    assert len(archive(content, Limits(members=5)).names) == 5
    with pytest.raises(TooLarge, match=r"too many files.*5.*at most 4"):
        archive(content, Limits(members=4))


def test_a_directory_that_is_too_long_is_not_read(make: Any) -> None:
    content = make.pack({"n" * 60_000 + str(number): b"" for number in range(9)})
    with pytest.raises(UnsupportedMedia, match="headers are too long"):
        archive(content, Limits(directory=300_000))


def test_many_files_that_expand_to_too_much_together(make: Any) -> None:
    content = make.pack({str(number): bytes(100_000) for number in range(20)})
    with pytest.raises(TooLarge, match=r"2000000.*at most 1000000"):
        archive(content, Limits(expanded=1_000_000))
    with pytest.raises(TooLarge, match="expands to too much"):
        archive(content, Limits(harmless=1_000_000, ratio=100))
    assert archive(content, Limits(harmless=1_000_000, ratio=1000)).size("3") == 100_000


def test_files_that_overlap(make: Any) -> None:
    # One file of 200 random bytes, and a directory that names it twice (D. Fifield, "A better zip
    # bomb", 2019).
    whole = bytearray(make.pack({"a": bytes(range(200)), "b": b""}, zipfile.ZIP_STORED))
    second = whole.rindex(b"PK\x01\x02")
    first = whole.index(b"PK\x01\x02")
    whole[second + 10 : second + 46] = whole[first + 10 : first + 46]
    with pytest.raises(UnsupportedMedia, match=r"overlap|cannot be read"):
        archive(bytes(whole)).read("b")


def test_a_size_that_lies(make: Any) -> None:
    whole = bytearray(make.pack({"a": bytes(1000)}))
    entry = whole.rindex(b"PK\x01\x02")
    whole[entry + 24 : entry + 28] = (1 << 29).to_bytes(4, "little")
    with pytest.raises(UnsupportedMedia, match="cannot expand"):
        archive(bytes(whole))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(make: Any, method: int) -> None:
    with pytest.raises(UnsupportedMedia, match="unusual way"):
        archive(make.pack({"a": bytes(99)}, method))


def test_encrypted_files(make: Any) -> None:
    whole = bytearray(make.pack({"a": bytes(99)}))
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(UnsupportedMedia, match="encrypted"):
        archive(bytes(whole))


def test_two_files_of_one_name() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            target.writestr("a", b"2")
    with pytest.raises(InvalidInput, match=r"two files of one name \(given: 'a'\)"):
        archive(file.getvalue())


def test_an_archive_behind_other_bytes_is_placed_rightly(make: Any) -> None:
    content = b"#!self extracting\n" + make.pack({"a": b"hello"}, zipfile.ZIP_STORED)
    found = archive(content)
    place = found.place("a")
    assert content[place : place + 5] == b"hello" == found.read("a")


def test_cut_archives(make: Any) -> None:
    whole = make.pack({"a": bytes(range(256))}, zipfile.ZIP_STORED)
    for length in range(4, len(whole), 7):
        with pytest.raises(UnsupportedMedia):
            archive(whole[:length]).read("a")
