"""A stand-in for CuPy's compiler: CUDA sources are compiled by g++ and run on the processor."""

import ctypes
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from core.conv.cuda import modules

HEADER = Path(__file__).with_name("emulated.h")
DRIVER = """
static long long given[{count}];
static void call() {{ {name}({arguments}); }}
extern "C" void launch(const int *grid, const int *block, const long long *values) {{
    for (int i = 0; i < {count}; i++) given[i] = values[i];
    emulated::run({{grid[0], grid[1], grid[2]}}, {{block[0], block[1], block[2]}}, call);
}}
"""


class RawModule:
    """What `cupy.RawModule` offers, for kernels that take addresses and 64-bit integers."""

    def __init__(self, code: str, options: tuple[str, ...], folder: Path) -> None:
        self._code, self._options, self._folder = code, options, folder

    def get_function(self, name: str):
        """Compile, and return ``(grid, block, arguments) -> None``."""
        listed = re.search(rf"\b{name}\(([^)]*)\)\s*\{{", self._code)
        assert listed is not None
        types = [p.strip().rpartition(" ")[0] for p in listed[1].split(",")]
        pointers = [" *" in p or "*__restrict__" in p for p in types]
        passed = [f"({kind.replace('__restrict__', '')})given[{i}]" for i, kind in enumerate(types)]
        text = f'#include "{HEADER}"\n{self._code}\n' + DRIVER.format(
            count=len(types), name=name, arguments=", ".join(passed)
        )
        # A unit's end is named after its text, so that g++ is asked once for each.
        target = self._folder / hashlib.sha256((text + str(self._options)).encode()).hexdigest()
        if not target.exists():
            command = ["g++", "-O1", "-shared", "-fPIC", "-w", *self._options, "-x", "c++", "-"]
            subprocess.run([*command, "-o", str(target)], input=text, text=True, check=True)
        launch = ctypes.CDLL(str(target)).launch

        def call(grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple) -> None:
            assert len(arguments) == len(types)
            values = np.empty(len(types), np.int64)
            for i, (value, is_pointer) in enumerate(zip(arguments, pointers, strict=True)):
                # CuPy passes an array's address, and a NumPy number with its own size.
                assert isinstance(value, np.ndarray if is_pointer else np.int64)
                values[i] = value.ctypes.data if is_pointer else value
            sizes = [(ctypes.c_int * 3)(*three) for three in (grid, block)]
            launch(*sizes, ctypes.c_void_p(values.ctypes.data))

        return call


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory):
    """Let NumPy's arrays be convolved by CUDA's kernels."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is not installed")
    folder = tmp_path_factory.mktemp("cuda")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            np, "RawModule", lambda code, options: RawModule(code, options, folder), raising=False
        )
        modules._function.cache_clear()
        yield
    modules._function.cache_clear()
