"""From IR to a function that Python calls: compiled once, stored on disk, loaded once.

Objects are stored under the digest of everything that they depend on, with their own digest in
front: a file that was cut short or damaged is compiled again. Files appear under their name by
an atomic rename, so that any number of processes may share the folder.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from core.conv.codegen.emit import Kind
from core.conv.codegen.target import Target, host, machine
from core.settings import Settings

# LLVM's tables are per process, and its just-in-time linker wants one caller at a time.
_LOCK = threading.RLock()
_DIGEST_BYTES = hashlib.sha256().digest_size


def load(ir: str, name: str, parameters: tuple[Kind, ...]) -> Callable[..., None]:
    """Return the function ``name`` of a module for this machine's processor.

    Parameters
    ----------
    ir : str
        The module, as `core.conv.codegen.emit.Emitter.finish` returns it for `host()`.
    name : str
        The function to call.
    parameters : tuple of {"pointer", "integer"}
        What it takes: addresses (``array.ctypes.data``) and integers.

    Returns
    -------
    callable
        Releases Python's lock while it runs; lives as long as the process.

    Examples
    --------
    >>> from core.conv.codegen.emit import Emitter
    >>> code = Emitter(host(), "nothing", ("integer",))
    >>> load(code.finish(), "nothing", ("integer",))(1)
    """
    # Several threads ask for the same kernel at once: one compiles, the others wait.
    with _LOCK:
        return _function(ir, name, parameters)


@cache
def _function(ir: str, name: str, parameters: tuple[Kind, ...]) -> Callable[..., None]:
    machine_code = compiled(ir, host())
    # A name of its own for each module: libraries share one linker.
    library = f"{name}-{hashlib.sha256(ir.encode()).hexdigest()}"
    linked = (
        llvm.JITLibraryBuilder()
        .add_object_img(machine_code)
        .export_symbol(name)
        .link(_linker(), library)
    )
    _LOADED.append(linked)
    kinds = [ctypes.c_void_p if kind == "pointer" else ctypes.c_int64 for kind in parameters]
    return ctypes.CFUNCTYPE(None, *kinds)(linked[name])


def compiled(ir: str, target: Target) -> bytes:
    """Return the object file of a module for ``target``, from the disk where it is known.

    Examples
    --------
    >>> from core.conv.codegen.emit import Emitter
    >>> compiled(Emitter(host(), "nothing", ()).finish(), host())[:4] != b""
    True
    """
    path = _path(ir, target)
    stored = _stored(path)
    if stored is None:
        stored = compile_object(ir, target)
        _store(path, stored)
    return stored


def compile_object(ir: str, target: Target) -> bytes:
    """Compile a module to an object file."""
    with _LOCK:
        module, generator = _optimized(ir, target)
        return bytes(generator.emit_object(module))


def assembly(ir: str, target: Target) -> str:
    """Return the assembly of a module, to look for spilled registers in."""
    with _LOCK:
        module, generator = _optimized(ir, target)
        return str(generator.emit_assembly(module))


def _optimized(ir: str, target: Target) -> tuple[Any, Any]:
    module, generator = llvm.parse_assembly(ir), machine(target)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    # Kernels are written as vectors, and unrolled where that pays.
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    passes = llvm.create_pass_builder(generator, options)
    passes.getModulePassManager().run(module, passes)
    return module, generator


# What the linker has loaded must not be collected: its code would be unmapped.
_LOADED: list[Any] = []


@cache
def _linker() -> Any:
    return llvm.create_lljit_compiler(machine(host()))


def _path(ir: str, target: Target) -> Path:
    depends = (llvmlite.__version__, target.triple, target.cpu, target.features, ir)
    digest = hashlib.sha256("\0".join(depends).encode()).hexdigest()
    return Settings().cache_dir / "kernels" / f"{digest}.o"


def _stored(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, stored = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return stored if hashlib.sha256(stored).digest() == digest else None


def _store(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
