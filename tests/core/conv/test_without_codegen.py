"""The NumPy path of every algorithm, which runs where kernels cannot be generated."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_the_algorithms_hold_without_generated_kernels() -> None:
    # A process of its own: what was planned and compiled here is remembered.
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        + [str(HERE / name) for name in ("test_algorithms.py", "test_nonfinite.py")],
        env=os.environ | {"CONVQ_CODEGEN": "off", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3000:]


def test_llvm_is_not_imported_without_need() -> None:
    program = (
        "import sys; import numpy as np; from core.conv import convolve;"
        "assert convolve(np.ones(3), np.ones(2)).tolist() == [1, 2, 2, 1];"
        "assert 'llvmlite' not in sys.modules"
    )
    environment = os.environ | {"CONVQ_CODEGEN": "off", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
