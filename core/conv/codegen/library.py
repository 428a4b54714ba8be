"""From a program that writes IR to a function that Python calls.

Machine code is stored under the digest of everything that it depends on: which program writes it,
its arguments, the text of this package, the processor, LLVM. So what is stored is found without
writing it again, which takes longer than a small convolution. Files have their own digest in
front: one that was cut short or damaged is made again. They appear under their name by an atomic
rename, so that any number of processes may share the folder.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
import threading
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import llvmlite
import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from core.conv.codegen.emit import Kind
from core.conv.codegen.target import Target, host, machine
from core.settings import Settings

# LLVM's tables are per process, and its just-in-time linker wants one caller at a time.
_LOCK = threading.RLock()
_DIGEST_BYTES = hashlib.sha256().digest_size
_LENGTH_BYTES = 8


class Written(NamedTuple):
    """A kernel in LLVM's language.

    Attributes
    ----------
    ir : str
        The module.
    constants : array
        Numbers that it takes by pointer.
    """

    ir: str
    constants: NDArray[Any] = np.empty(0)


Writer: TypeAlias = "partial[str] | partial[Written]"
"""A function of this package, with arguments whose ``repr`` says all, that writes a kernel."""


class Kernel(Protocol):
    """A compiled function; a call releases Python's lock."""

    address: int

    def __call__(self, *arguments: int) -> None:
        """Call it with addresses and integers."""


class Compiled(NamedTuple):
    """A kernel as machine code; ``constants`` are the bytes of `Written.constants`."""

    machine_code: bytes
    constants: bytes


def load(write: Writer, name: str, parameters: tuple[Kind, ...]) -> Kernel:
    """Return the function ``name`` that a program writes, for this machine's processor.

    Parameters
    ----------
    write : functools.partial
        Writes the module for `host()`.
    name : str
        The function to call.
    parameters : tuple of {"pointer", "integer"}
        What it takes: addresses (``array.ctypes.data``) and integers.

    Returns
    -------
    Kernel
        Lives as long as the process.

    Examples
    --------
    >>> from core.conv.codegen.emit import Emitter
    >>> def nothing(target):
    ...     return Emitter(target, "nothing", ("integer",)).finish()
    >>> load(partial(nothing, host()), "nothing", ("integer",))(1)
    """
    return load_with_constants(write, name, parameters)[0]


def load_with_constants(
    write: Writer, name: str, parameters: tuple[Kind, ...]
) -> tuple[Kernel, bytes]:
    """Return the function, as `load` does, and the bytes of the constants that it takes."""
    # Several threads ask for the same kernel at once: one compiles, the others wait.
    with _LOCK:
        return _function(f"{_key(write, host())}-{name}", write, name, parameters)


# What was loaded stays: its code must not be unmapped.
_FUNCTIONS: dict[str, tuple[Kernel, bytes]] = {}
_LOADED: list[Any] = []


def _function(
    key: str, write: Writer, name: str, parameters: tuple[Kind, ...]
) -> tuple[Kernel, bytes]:
    if key not in _FUNCTIONS:
        kernel = compiled(write, host())
        linked = (
            llvm.JITLibraryBuilder()
            .add_object_img(kernel.machine_code)
            .export_symbol(name)
            # A name of its own for each module: libraries share one linker.
            .link(_linker(), key)
        )
        _LOADED.append(linked)
        kinds = [ctypes.c_void_p if kind == "pointer" else ctypes.c_int64 for kind in parameters]
        function = cast(Any, ctypes.CFUNCTYPE(None, *kinds)(linked[name]))
        function.address = linked[name]
        _FUNCTIONS[key] = function, kernel.constants
    return _FUNCTIONS[key]


def compiled(write: Writer, target: Target) -> Compiled:
    """Return the machine code of a kernel for ``target``, from the disk where it is known.

    Examples
    --------
    >>> from core.conv.codegen.emit import Emitter
    >>> def nothing(target):
    ...     return Emitter(target, "nothing", ()).finish()
    >>> compiled(partial(nothing, host()), host()).constants
    b''
    """
    path = Settings().cache_dir / "kernels" / f"{_key(write, target)}.o"
    stored = _stored(path)
    if stored is None:
        text = write()
        written = Written(text) if isinstance(text, str) else text
        stored = Compiled(compile_object(written.ir, target), written.constants.tobytes())
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


@cache
def _linker() -> Any:
    return llvm.create_lljit_compiler(machine(host()))


def _key(write: Writer, target: Target) -> str:
    depends = (
        llvmlite.__version__,
        _own_digest(),
        repr(target),
        f"{write.func.__module__}.{write.func.__qualname__}",
        repr((write.args, sorted(write.keywords.items()))),
    )
    return hashlib.sha256("\0".join(depends).encode()).hexdigest()


@cache
def _own_digest() -> str:
    # A change anywhere in the package may change what is written.
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _stored(path: Path) -> Compiled | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        return None
    length = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    return Compiled(body[length:], body[_LENGTH_BYTES:length])


def _store(path: Path, kernel: Compiled) -> None:
    length = len(kernel.constants).to_bytes(_LENGTH_BYTES, "little")
    content = length + kernel.constants + kernel.machine_code
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
