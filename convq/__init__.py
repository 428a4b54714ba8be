"""convq: a self-hosted, distributed batch service for convolution.

``Client`` and ``AsyncClient`` talk to a service; ``convolve``, ``correlate``, ``conv`` and
``plan`` run the same engine in this process; ``errors`` holds every exception.

Examples
--------
>>> import convq
>>> convq.convolve([1.0, 2.0, 3.0], [0.0, 1.0, 0.5])
array([0. , 1. , 2.5, 4. , 1.5])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from core import errors

if TYPE_CHECKING:
    from convq.client import AsyncClient, Client
    from core.conv import Plan, conv, convolve, correlate, plan

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "Plan",
    "__version__",
    "conv",
    "convolve",
    "correlate",
    "errors",
    "plan",
]

# Imported on first use: the engine needs SciPy and the client needs HTTPX (0.2 s each), and
# neither should pay for the other.
_HOME = {
    "AsyncClient": "convq.client",
    "Client": "convq.client",
    "Plan": "core.conv",
    "conv": "core.conv",
    "convolve": "core.conv",
    "correlate": "core.conv",
    "plan": "core.conv",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'convq' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
