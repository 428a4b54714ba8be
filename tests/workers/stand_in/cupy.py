"""CuPy's stand-in for processes that are started: the GPU that ``CUDA_VISIBLE_DEVICES`` names.

In the folder ``STAND_IN_GPUS`` a file ``broken-UUID`` makes every call fail from then on, in a
process that has met it for ever, and while there is ``hold-UUID`` arrays of the size in it wait. A
process that loads CUDA leaves ``loaded.PID``.
"""

import fcntl
import os
import sys
import time
from pathlib import Path

from tests.core.conv.cuda import standin

_FOLDER = Path(os.environ["STAND_IN_GPUS"])
_UUID = os.environ["CUDA_VISIBLE_DEVICES"]
_MADE = standin.ndarray.__init__
_spoilt = False


class CUDARuntimeError(RuntimeError):
    """What CUDA answers."""


def _size_held():
    try:
        return int((_FOLDER / f"hold-{_UUID}").read_text())
    except FileNotFoundError:
        return None


def _make(self, host):
    global _spoilt
    while _size_held() == host.size:
        time.sleep(0.01)
    _spoilt = _spoilt or (_FOLDER / f"broken-{_UUID}").exists()
    if _spoilt:
        raise CUDARuntimeError("cudaErrorECCUncorrectable: uncorrectable ECC error encountered")
    _MADE(self, host)


class _RawModule(standin.RawModule):
    def __init__(self, code, options, folder):
        # It is compiled once and computes next to nothing.
        super().__init__(code, (*options, "-O0"), folder)

    def get_function(self, name):
        # One process compiles, and the others find what it made.
        with (_FOLDER / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return super().get_function(name)


assert _UUID, "CUDA was loaded by a process that computes on the processor"
standin.ndarray.__init__ = _make
standin.RawModule = _RawModule
(_FOLDER / f"loaded.{os.getpid()}").touch()
(_FOLDER / "compiled").mkdir(exist_ok=True)
_name = f"a stand-in for {_UUID}".encode()
_properties = {"name": _name, "sharedMemPerBlockOptin": 99 << 10, "major": 7, "minor": 5}
sys.modules.update(standin.modules(_FOLDER / "compiled", _properties))
