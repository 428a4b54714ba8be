from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest

from core.media import BY_EXTENSION, DECODABLE, EXTENSIONS, encode, sniff


@pytest.mark.parametrize("media_type", DECODABLE)
def test_what_is_encoded_is_recognised(media_type: str) -> None:
    array = np.zeros((4, 4, 3) if media_type.startswith("image") else 4, np.uint8)
    assert sniff(encode(array, media_type, extra={"sample_rate": 8000})) == media_type


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"", "application/octet-stream"),
        (b"{", "application/octet-stream"),
        (b"plain text", "application/octet-stream"),
        (b"GIF89a", "application/octet-stream"),
        (b"%PDF-1.7", "application/octet-stream"),
        (b"\x00" * 512, "application/octet-stream"),
        (b"RIFF\x00\x00\x00\x00AVI ", "application/octet-stream"),
        (b"II+\x00", "image/tiff"),
        (b"MM\x00*", "image/tiff"),
        (b"RF64\xff\xff\xff\xffWAVE", "audio/wav"),
        (b"RIFF\n\n\n\nWEBP", "image/webp"),
        (json.dumps({"a": 1}).encode(), "application/json"),
        (json.dumps([[1.5, -2], None], indent=2).encode(), "application/json"),
        (b"\x58" + bytes(7) + b'{"__metadata__":{', "application/x-safetensors"),
        (b"\x58" + bytes(6) + b'\x01{"', "application/octet-stream"),
        (b"[true]", "application/json"),
        (b"[truth]", "application/octet-stream"),
    ],
)
def test_sniff(head: bytes, media_type: str) -> None:
    assert sniff(head) == media_type


def test_a_zip_of_other_things_is_no_npz() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("readme.txt", "this mentions weights.npy" * 3)
    assert sniff(file.getvalue()) == "application/zip"


def test_extensions_agree_both_ways() -> None:
    assert all(BY_EXTENSION[extension] == name for name, extension in EXTENSIONS.items())
    assert BY_EXTENSION[".jpeg"] == "image/jpeg"
    assert set(DECODABLE) <= set(EXTENSIONS)
