"""The stand-in for CuPy, where g++ is installed."""

import shutil
import sys

import pytest

from core.conv import device
from core.conv.cuda import fft, kept, modules, transfers
from tests.core.conv.cuda import cudnn_standin, standin

PROPERTIES = {"name": b"a stand-in", "sharedMemPerBlockOptin": 99 << 10, "major": 9, "minor": 0}


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory):
    """Where the programs are kept that g++ made of CUDA's sources."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    return tmp_path_factory.mktemp("cuda")


@pytest.fixture(scope="module")
def cupy(compiled):
    """CuPy's stand-in, to be found under its name."""
    found = standin.modules(compiled, PROPERTIES)
    with pytest.MonkeyPatch.context() as patch:
        for name, module in found.items():
            patch.setitem(sys.modules, name, module)
        yield found["cupy"]
    of_devices = (transfers.transfers, device.gpu, device._gpu)
    for cached in (modules._function, modules._module, fft._roots, kept._most, *of_devices):
        cached.cache_clear()
    kept.drop()


@pytest.fixture
def counted(cupy, monkeypatch):
    """What is compiled counts how often it touches shared memory: `standin.turns`."""
    monkeypatch.setattr(standin.RawModule, "counted", True)
    modules._function.cache_clear()
    modules._module.cache_clear()
    yield
    modules._function.cache_clear()
    modules._module.cache_clear()


@pytest.fixture
def cudnn(cupy):
    """cuDNN's stand-in, to be found under its name; its class of graphs."""
    with cudnn_standin.installed() as graphs:
        yield graphs
