"""The processor that kernels are generated for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from core.errors import InvalidInput

# Width in bytes and number of vector registers, by the first feature that is present.
_REGISTERS = (("avx512f", 64, 32), ("avx", 32, 16), ("neon", 16, 32), ("sse2", 16, 16))


@dataclass(frozen=True)
class Target:
    """A processor to generate code for: this one, or a named one of another machine.

    Attributes
    ----------
    triple : str
        LLVM's name of the architecture and the system.
    cpu, features : str
        LLVM's name of the processor, and its features as ``+avx2,-sse4a,...``.
    vector_bytes : int
        Width of a vector register.
    registers : int
        Number of vector registers.

    Examples
    --------
    >>> target = host()
    >>> target.lanes(4) * 4 == target.vector_bytes
    True
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int

    def lanes(self, itemsize: int) -> int:
        """Return how many numbers of ``itemsize`` bytes one register holds."""
        return self.vector_bytes // itemsize

    @property
    def by_element(self) -> bool:
        """Whether a vector can be multiplied by a lane of another, as AArch64 can."""
        return self.triple.startswith(("aarch64", "arm64"))


# Processors of edge boxes; the features are those that LLVM knows the processor by.
_NAMED = {
    "cortex-a78": Target("aarch64-unknown-linux-gnu", "cortex-a78", "", 16, 32),
    "cortex-a57": Target("aarch64-unknown-linux-gnu", "cortex-a57", "", 16, 32),
    "cortex-a15": Target("armv7-unknown-linux-gnueabihf", "cortex-a15", "+neon,+vfp4", 16, 16),
    "x86-64-v3": Target("x86_64-unknown-linux-gnu", "x86-64-v3", "", 32, 16),
    "x86-64-v4": Target("x86_64-unknown-linux-gnu", "x86-64-v4", "-prefer-256-bit", 64, 32),
}


@cache
def host() -> Target:
    """Return the processor that this process runs on."""
    features = llvm.get_host_cpu_features()
    present = {name for name, there in features.items() if there}
    # LLVM's tuning prefers half a register on some processors; kernels fill whole ones.
    flags = features.flatten() + (",-prefer-256-bit" if "avx512f" in present else "")
    width, registers = next(((w, n) for name, w, n in _REGISTERS if name in present), (16, 16))
    return Target(llvm.get_process_triple(), llvm.get_host_cpu_name(), flags, width, registers)


def named(cpu: str) -> Target:
    """Return the processor called ``cpu``, as LLVM names it.

    Raises
    ------
    InvalidInput
        No such processor is known here.

    Examples
    --------
    >>> named("cortex-a78").lanes(4)
    4
    """
    if cpu not in _NAMED:
        raise InvalidInput("no such processor", field="cpu", given=cpu, accepted=list(_NAMED))
    return _NAMED[cpu]


@cache
def machine(target: Target) -> Any:
    """Return LLVM's code generator for ``target``."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, reloc="pic", codemodel="small"
    )
