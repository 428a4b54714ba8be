"""What a process loads before its first job: its worker is back so much later after a kill."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys
import numpy as np
import workers.runner, workers.task
from core.conv import convolve
convolve(np.ones((64, 64), np.float32), np.ones((3, 3), np.float32))
print([name for name in sys.modules if name.split(".")[0] in ("zarr", "onnx", "cupy", "matplotlib")
       or name in ("scipy.fft", "scipy.special", "scipy.sparse", "scipy.ndimage", "scipy.linalg")])
"""


def test_what_only_some_jobs_need_is_not_loaded_for_all() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
