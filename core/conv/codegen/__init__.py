"""Convolution kernels for the CPU, generated as LLVM IR for the processor at hand.

``target`` names a processor, ``emit`` writes functions for it, ``library`` compiles, stores and
loads them; the other files are families of kernels, each used by an algorithm of
`core.conv.algorithms`. Only those files import llvmlite, so that everything else runs without it:
ask `available` before importing one.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache

from core.errors import InvalidInput

_SWITCH = "CONVQ_CODEGEN"


@cache
def available() -> bool:
    """Return whether kernels can be generated here: llvmlite is installed and not switched off.

    The environment variable ``CONVQ_CODEGEN=off`` switches generated kernels off; all algorithms
    then compute with NumPy. It is read once per process (``available.cache_clear()`` forgets).

    Raises
    ------
    InvalidInput
        The variable is neither ``on`` nor ``off``.

    Examples
    --------
    >>> available() in (True, False)
    True
    """
    switch = os.environ.get(_SWITCH, "on")
    if switch not in ("on", "off"):
        raise InvalidInput("is no switch", field=_SWITCH, given=switch, accepted=["on", "off"])
    return switch == "on" and importlib.util.find_spec("llvmlite") is not None
