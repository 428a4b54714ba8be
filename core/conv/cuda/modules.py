"""CUDA sources and their compiled functions."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from core.arrays import Array, array_module

Macros = tuple[tuple[str, str | int], ...]

_SOURCES = Path(__file__).parent

C_NAMES = {
    "float16": "half",
    "float32": "float",
    "float64": "double",
    "int64": "long long",
    "int32": "int",
    "uint32": "unsigned int",
    "int16": "short",
    "uint16": "unsigned short",
    "int8": "signed char",
    "uint8": "unsigned char",
}
"""What CUDA C++ calls the dtypes that kernels read."""

OPTIONS = ("--std=c++17",)
"""Of the compiler. For each tuple of options that is new to a process, CuPy (14) compiles an empty
text to learn its version, whatever lies in files already: so macros are defined in the text."""


def source(name: str, macros: Macros) -> str:
    """Return the text of ``name.cu``, with the files that it includes, specialised by ``macros``.

    Examples
    --------
    >>> text = source("direct", (("NUMBER", "float"), ("HEIGHT", 3)))
    >>> text.splitlines()[:2], "__global__" in text, "#include" in text
    (['#define NUMBER float', '#define HEIGHT 3'], True, False)
    """
    return "".join(f"#define {macro} {value}\n" for macro, value in macros) + _text(name)


@cache
def _text(name: str) -> str:
    return _with_includes(_SOURCES / f"{name}.cu")


def _with_includes(path: Path) -> str:
    # NVRTC has no folder to look into.
    return re.sub(
        r'^#include "(.*)"$',
        lambda found: _with_includes(_SOURCES / found[1]),
        path.read_text(),
        flags=re.MULTILINE,
    )


def function(x: Array, name: str, entry: str, macros: Macros, shared: int = 0) -> Any:
    """Return the compiled function ``entry`` of ``name.cu``, for the device that has ``x``.

    Parameters
    ----------
    x : array
        Of the module that compiles; modules are loaded on its device when they are first called.
    name : str
        Of the source.
    entry : str
        Of the function.
    macros : tuple of (str, str or int)
        What the source is specialised for.
    shared : int
        Bytes of shared memory that a block is to be given beyond what the source declares.

    Returns
    -------
    callable
        ``(grid, block, arguments, shared_mem) -> None``.
    """
    return _function(array_module(x), x.device.id, name, entry, macros, shared)


@cache
def _function(module: Any, device: int, name: str, entry: str, macros: Macros, shared: int) -> Any:
    compiled = _module(module, name, macros).get_function(entry)
    if shared:
        # Devices have more than 48 KB for those who ask; the limit belongs to a device's function.
        compiled.max_dynamic_shared_size_bytes = shared
    return compiled


@cache
def _module(module: Any, name: str, macros: Macros) -> Any:
    return module.RawModule(code=source(name, macros), options=OPTIONS)
