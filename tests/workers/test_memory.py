"""The memory that a worker may have."""

from __future__ import annotations

from pathlib import Path

from workers.memory import available


def test_the_limit_of_the_container_counts_where_it_is_less(tmp_path: Path) -> None:
    newer, older = tmp_path / "memory.max", tmp_path / "memory.limit_in_bytes"
    machine = available([newer, older])
    for path, text, expected in (
        (newer, "max\n", machine),
        (newer, "1048576\n", 1 << 20),
        (newer, f"{1 << 60}\n", machine),
        (older, "9223372036854771712\n", machine),
        (older, "1048576\n", 1 << 20),
    ):
        path.write_text(text)
        assert available([newer, older]) == expected
        path.unlink()
