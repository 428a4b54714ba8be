from __future__ import annotations

import hashlib
import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.store.hashed import HashedFile


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(parts=st.lists(st.binary(max_size=5000)), most=st.integers(1, 6000))
def test_what_was_written_is_in_the_file_and_in_the_digest(
    tmp_path: Path, parts: list[bytes], most: int
) -> None:
    class Reluctant(io.FileIO):
        """Takes no more than so much at a time, as a write may."""

        def write(self, data: object) -> int:
            return super().write(memoryview(data)[:most])  # type: ignore[arg-type]

    path = tmp_path / "file"
    with Reluctant(path, "wb") as raw:
        file = HashedFile(raw)
        for part in parts:
            file.write(part)
    whole = b"".join(parts)
    assert path.read_bytes() == whole
    assert file.size == len(whole)
    assert file.digest() == f"sha256:{hashlib.sha256(whole).hexdigest()}"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked to")
def test_the_disk_begins_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, size, __: begun.append((start, size)))
    with io.FileIO(tmp_path / "file", "wb") as raw:
        file = HashedFile(raw)
        for _ in range(30):
            file.write(bytes(1 << 20))
    assert [start for start, _ in begun] == [0, *[start + size for start, size in begun][:-1]]
    # Little is left for the last sync.
    assert 22 << 20 <= sum(size for _, size in begun) <= 30 << 20
