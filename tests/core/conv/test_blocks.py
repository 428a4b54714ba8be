"""How many processors the engine takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.conv.blocks import cores

# As the kernel's documentation has them (admin-guide/cgroup-v2 and scheduler/sched-bwc).
VERSIONS = {
    "version 2": {"cpu.max": "{time} {period}\n"},
    "version 1": {"cpu/cpu.cfs_quota_us": "{time}\n", "cpu/cpu.cfs_period_us": "{period}\n"},
}
UNLIMITED = {"version 2": "max", "version 1": "-1"}


@pytest.fixture(autouse=True)
def asked_anew():
    cores.cache_clear()
    yield
    cores.cache_clear()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_quota_of_the_container_counts_where_it_is_less(version: str, tmp_path: Path) -> None:
    machine = cores(tmp_path / "missing")
    for time, expected in (
        (UNLIMITED[version], machine),
        (100000, 1),
        (50000, 1),
        (250000, min(machine, 2)),
        (1 << 40, machine),
    ):
        cores.cache_clear()
        for name, text in VERSIONS[version].items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text.format(time=time, period=100000))
        assert cores(tmp_path) == expected


def test_groups_of_version_1_without_a_quota_limit_nothing(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    assert cores(tmp_path) == cores(tmp_path / "missing")
