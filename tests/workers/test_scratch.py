"""Temporary files of processes that were killed go, and those of others are not touched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, tempfile
from workers import scratch
folder = scratch.settle()
tempfile.NamedTemporaryFile(delete=False).write(b"an input of a job")
print(folder, flush=True)
if sys.stdin.readline() == "leave":
    scratch.leave()
"""


def begin(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={"TMPDIR": str(folder), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_files_of_the_killed_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    killed, left = begin(tmp_path)
    with killed:
        killed.kill()
    assert len(list(left.iterdir())) == 2
    living, kept = begin(tmp_path)
    with living:
        assert not left.exists()
        other, of_other = begin(tmp_path)
        with other:
            other.communicate("leave")
        assert not of_other.exists()
        assert len(list(kept.iterdir())) == 2
        living.communicate("leave")
    assert list(tmp_path.iterdir()) == []
