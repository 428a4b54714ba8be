"""How many processors the engine takes."""

from __future__ import annotations

from pathlib import Path

from core.conv.blocks import cores


def test_the_quota_of_the_container_counts_where_it_is_less(tmp_path: Path) -> None:
    machine = cores(tmp_path / "missing")
    for text, expected in (
        ("max 100000\n", machine),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("250000 100000\n", min(machine, 2)),
        (f"{1 << 40} 100000\n", machine),
    ):
        cores.cache_clear()
        quota = tmp_path / "cpu.max"
        quota.write_text(text)
        assert cores(quota) == expected
    cores.cache_clear()
