"""What workers tell of their processes."""

from __future__ import annotations

import subprocess
import sys
import time

from workers.vitals import Vitals


def test_children_count_too() -> None:
    vitals = Vitals()
    first = vitals.read()
    assert (first["utilisation"], first["gpus"]) == (None, [])
    assert first["memory"] > 1 << 20
    assert first["temperature"] is None or first["temperature"] > -50
    code = "import time\nx = bytearray(b'1' * (64 << 20))\nprint(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            # Of the processor's time, which is told in hundredths of a second: a busy machine may
            # give none for a while.
            until = time.process_time() + 0.1
            while time.process_time() < until:
                pass
            told = vitals.read()
        finally:
            child.kill()
    assert told["memory"] > first["memory"] + (60 << 20)
    assert 0 < told["utilisation"] <= 1
    assert vitals.read()["memory"] < told["memory"]
