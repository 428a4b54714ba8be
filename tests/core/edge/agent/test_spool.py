from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.edge.agent.disk import Disk
from core.edge.agent.errors import Full
from core.edge.agent.spool import Spool
from core.edge.runtime.errors import Damaged, EdgeError
from tests.core.edge.agent.power import Quick


def spool(path: Path, most: int = 1 << 20) -> Spool:
    return Spool(Quick(), str(path / "spool"), most)


def test_every_length_of_the_file(tmp_path: Path) -> None:
    made = spool(tmp_path)
    ends = []
    for number in range(3):
        made.add({"number": number})
        ends.append(made.size)
    whole = (tmp_path / "spool").read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole) + 1):
        (tmp_path / "spool").write_bytes(whole[:length])
        again = spool(tmp_path)
        assert again.name == made.name
        assert again.all() == [{"number": n} for n in range(3) if ends[n] <= length]
        assert again.add({"number": 9}) == len(again.all())


def test_damage_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    made = spool(tmp_path)
    for number in range(3):
        made.add({"number": number})
    whole = bytearray((tmp_path / "spool").read_bytes())
    whole[whole.index(b'"number": 1') + 11] ^= 1
    (tmp_path / "spool").write_bytes(whole)
    with pytest.raises(Damaged, match="line 3"):
        spool(tmp_path)
    assert (tmp_path / "spool").read_bytes() == whole


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=20))
def test_against_a_list(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    made, left, count = spool(folder), [], 0
    for added, delivered, reopened in steps:
        for _ in range(added):
            # Large enough that what was delivered is sometimes dropped before the end.
            left.append({"number": count, "text": "x" * 9000})
            count += 1
            assert made.add(left[-1]) == count
        made.let_go()
        gone = min(delivered, len(left))
        made.delivered(made.before + gone)
        del left[:gone]
        if reopened:
            name = made.name
            again = spool(folder)
            assert again.name == name
            # What was delivered may be there again: the service knows its numbers.
            assert again.before <= made.before
            again.delivered(made.before)
            made = again
            made.let_go()
        assert made.all() == left
        assert made.waiting(3) == left[:3]
        assert len(made) == len(left)
        assert made.before == count - len(left)


def test_results_wait_for_their_inputs_to_go(tmp_path: Path) -> None:
    made = spool(tmp_path)
    made.add({"number": 1})
    assert made.waiting(9) == []
    made.let_go()
    made.add({"number": 2})
    assert made.waiting(9) == [{"number": 1}]


def test_it_is_bounded(tmp_path: Path) -> None:
    made = spool(tmp_path, most=300)
    kept = 0
    while made.size + 30 < 300:
        made.add({"number": kept})
        kept += 1
    assert kept > 2
    with pytest.raises(Full, match="spool is full"):
        made.add({"text": "x" * 30})
    assert len(made) == kept
    assert (tmp_path / "spool").stat().st_size <= 300
    made.let_go()
    made.delivered(kept)
    made.add({"number": 100})
    assert [result["number"] for result in made.all()] == [100]


def test_what_the_service_would_not_take(tmp_path: Path) -> None:
    made = spool(tmp_path, most=64 << 20)
    made.add({"output": [0] * (2 << 20), "input": "a", "state": "s"})
    for _ in range(3):
        made.add({"output": [0] * (600 << 10)})
    made.let_go()
    first = made.waiting(9)
    assert first[0]["input"] == "a"
    assert "larger than" in first[0]["error"]
    # Together they would be too long.
    assert len(first) == 3
    made.delivered(3)
    assert len(made.waiting(9)) == 1


def test_a_full_disk_leaves_it_whole(tmp_path: Path) -> None:
    class FullDisk(Quick):
        is_full = False

        def write(self, path: str, data: bytes, at: int = 0) -> None:
            if self.is_full:
                super().write(path, data[:5], at)
                raise OSError(28, "No space left on device")
            super().write(path, data, at)

    disk = FullDisk()
    made = Spool(disk, str(tmp_path / "spool"))
    made.add({"number": 1})
    before = (tmp_path / "spool").read_bytes()
    disk.is_full = True
    with pytest.raises(OSError, match="No space"):
        made.add({"number": 2})
    assert (tmp_path / "spool").read_bytes() == before
    disk.is_full = False
    assert made.add({"number": 2}) == 2


def test_a_service_that_claims_too_much(tmp_path: Path) -> None:
    made = spool(tmp_path)
    made.add({})
    made.let_go()
    for number in (2, -1):
        with pytest.raises(EdgeError, match="claims"):
            made.delivered(number)
    assert len(made) == 1


def test_what_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").write_bytes(b"something else\n")
    with pytest.raises(Damaged, match="first line"):
        Spool(Disk(), str(tmp_path / "spool"))
