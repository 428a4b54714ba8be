"""CUDA sources and their compiled functions."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from core.arrays import Array, array_module

Macros = tuple[tuple[str, str | int], ...]

_SOURCES = Path(__file__).parent

C_NAMES = {
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


def source(name: str) -> str:
    """Return the text of ``name.cu``, with what all sources have in common before it.

    Examples
    --------
    >>> "__global__" in source("direct")
    True
    """
    return "\n".join((_SOURCES / file).read_text() for file in ("planes.cuh", f"{name}.cu"))


def options(macros: Macros) -> tuple[str, ...]:
    """Return a compiler's options that define ``macros``.

    Examples
    --------
    >>> options((("NUMBER", "float"), ("HEIGHT", 3)))
    ('--std=c++17', '-DNUMBER=float', '-DHEIGHT=3')
    """
    return ("--std=c++17", *(f"-D{name}={value}" for name, value in macros))


def function(x: Array, name: str, macros: Macros) -> Any:
    """Return the compiled function ``name`` of ``name.cu``, for the device that has ``x``.

    Parameters
    ----------
    x : array
        Of the module that compiles; modules are loaded on its device when they are first called.
    name : str
        Of the source and the function.
    macros : tuple of (str, str or int)
        What the source is specialised for.

    Returns
    -------
    callable
        ``(grid, block, arguments) -> None``.
    """
    return _function(array_module(x), name, macros)


@cache
def _function(module: Any, name: str, macros: Macros) -> Any:
    compiled = module.RawModule(code=source(name), options=options(macros))
    return compiled.get_function(name)
