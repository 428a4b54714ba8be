"""Several workers that are one program: they end with it, and one that dies is started again."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from bench.chaos.arena import wait_until
from convq.stack import fleet
from core.settings import Settings
from workers.devices import Slot

# Tells that it runs, and dies the first time if it is called so.
PROGRAM = """
import os, sys, time
folder, name = sys.argv[1:]
open(f"{folder}/{name}.{os.getpid()}", "x")
if name == "mortal" and len([file for file in os.listdir(folder) if name in file]) == 1:
    sys.exit(3)
time.sleep(600)
"""


def test_workers_run_until_they_are_told_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(slot: Slot, queues: list[str]) -> list[str]:
        assert queues == ["mine"]
        return [sys.executable, "-S", "-c", PROGRAM, str(tmp_path), slot.name]

    def started(name: str) -> list[int]:
        return [int(path.suffix[1:]) for path in tmp_path.glob(f"{name}.*")]

    def stop() -> None:
        wait_until(lambda: len(started("mortal")) == 2 and started("other"), 60)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(fleet, "command", command)
    stopping = threading.Thread(target=stop)
    stopping.start()
    assert fleet.run_fleet(Settings(), [Slot("mortal", None), Slot("other", None)], ["mine"]) == 0
    stopping.join()
    assert len(started("mortal")) == 2
    for pid in (*started("mortal"), *started("other")):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
