"""The memory that a worker may have."""

from __future__ import annotations

from pathlib import Path

from workers.memory import available


def test_the_limit_of_the_container_counts_where_it_is_less(tmp_path: Path) -> None:
    machine = available(tmp_path / "missing")
    for text, expected in (("max\n", machine), ("1048576\n", 1 << 20), (f"{1 << 60}\n", machine)):
        (tmp_path / "memory.max").write_text(text)
        assert available(tmp_path / "memory.max") == expected
