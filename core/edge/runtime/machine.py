"""Machine code out of a bundle: mapped executable, and called through ctypes."""

import ctypes
import mmap
import platform
import struct
from typing import Any, Callable, Optional, Set, Tuple

import numpy as np

_ARCHITECTURES = {
    "aarch64": "aarch64",
    "arm64": "aarch64",
    "armv7l": "armv7",
    "armv8l": "armv7",
    "x86_64": "x86_64",
    "AMD64": "x86_64",
}
# A 64-bit kernel says aarch64 to a 32-bit program.
_POINTER_BYTES = {"aarch64": 8, "armv7": 4, "x86_64": 8}
_AT_HWCAP = 16
# arch/arm/include/uapi/asm/hwcap.h and arch/arm64/include/uapi/asm/hwcap.h of the Linux kernel.
_HARDWARE_BITS = {"armv7": {"neon": 12, "vfpv4": 16}, "aarch64": {"asimd": 1, "asimddp": 20}}


def architecture() -> str:
    """Return the instruction set that this process runs: aarch64, armv7, x86_64, or another."""
    machine = platform.machine()
    known = _ARCHITECTURES.get(machine, machine)
    if known == "aarch64" and ctypes.sizeof(ctypes.c_void_p) == _POINTER_BYTES["armv7"]:
        return "armv7"
    return known


def features(root: str = "/") -> "Set[str]":
    """Return what the processor has, in the words of ``/proc/cpuinfo``.

    On ARM from what the kernel tells each process (``/proc/self/auxv``, see getauxval(3)), which is
    right for 32-bit programs on 64-bit kernels and under emulation, too.
    """
    bits = _HARDWARE_BITS.get(architecture())
    try:
        if bits is not None:
            with open(root + "proc/self/auxv", "rb") as file:
                pairs = dict(struct.iter_unpack("@LL", file.read()))
            capable = pairs.get(_AT_HWCAP, 0)
            return {name for name, bit in bits.items() if capable >> bit & 1}
        with open(root + "proc/cpuinfo") as file:
            lines = [line.partition(":") for line in file]
        return {word for name, _, v in lines if name.strip() == "flags" for word in v.split()}
    except OSError:
        return set()


def chosen(
    code: "dict[str, Any]", root: str = "/"
) -> "Tuple[Optional[dict[str, Any]], Optional[str]]":
    """Return the first variant of a bundle's machine code that this processor can run, or why none.

    Parameters
    ----------
    code : dict
        Of the manifest: ``architecture``, and ``variants``, each with ``cpu`` and ``needs``, the
        one that needs least last.
    root : str
        Where ``proc`` is found.
    """
    here = architecture()
    if here != code["architecture"]:
        return None, "it is for {}, this is {}".format(code["architecture"], here)
    present, why = features(root), None
    for variant in code["variants"]:
        missing = sorted(set(variant["needs"]) - present)
        if not missing:
            return variant, None
        why = "it is for {}, this processor has no {}".format(variant["cpu"], ", ".join(missing))
    return None, why


class Code:
    """Machine code that is mapped from a file for execution.

    Mapped rather than copied: then the kernel sees to it that the instruction cache knows it.

    Parameters
    ----------
    path : str
        The file.
    place, length : int
        Where the code begins and how long it is, in bytes.
    expected : bytes
        What must be there: the code that was verified.

    Raises
    ------
    OSError
        The file is on a file system that forbids to execute, for example.
    """

    def __init__(self, path: str, place: int, length: int, expected: bytes) -> None:
        first = place // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
        with open(path, "rb") as file:
            self._map = mmap.mmap(
                file.fileno(),
                place - first + length,
                flags=mmap.MAP_PRIVATE,
                prot=mmap.PROT_READ | mmap.PROT_EXEC,
                offset=first,
            )
        # What is executed has been looked at, not what was in the file a moment ago.
        if self._map[place - first :] != expected:
            raise OSError("the file has changed")
        # ctypes gives no address of what cannot be written to; NumPy does.
        self._bytes = np.frombuffer(self._map, np.uint8)
        self._address = self._bytes.ctypes.data + place - first

    def function(self, offset: int) -> "Callable[..., None]":
        """Return the function at ``offset``.

        It takes the addresses of arena, weights, tables and input.
        """
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)
        return kind(self._address + offset)
