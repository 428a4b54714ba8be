"""Memory that was freed is used again, without page faults."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys, numpy as np
from core.nets.heap import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def fill():
    arrays = [np.full(1 << 20, 1.0, np.float32) for _ in range(4)]
for _ in range(3):
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    found = subprocess.run(
        [sys.executable, "-c", _FAULTS, how],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
    )
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_pages_are_not_got_anew() -> None:
    # 10 times 16 MB are 40,000 pages of 4 kB, or 80 of 2 MB.
    assert faults("kept") < 20
    assert faults("given-back") > 60
