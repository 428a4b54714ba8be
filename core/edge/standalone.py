"""A bundle with the runtime around it: one file that Python runs as it is."""

from __future__ import annotations

from importlib import resources

from core.edge.archive import Member, archive
from core.edge.runtime.container import INNER

_INTERPRETER = b"#!/usr/bin/env python3\n"
_PACKAGE = "core/edge/runtime"
_MAIN = "from core.edge.runtime.main import main\n\nmain(standalone={key!r})\n"


def standalone(bundle: bytes, key: bytes) -> bytes:
    """Return a zipapp that predicts with a bundle, given Python 3.6 or newer and NumPy.

    Parameters
    ----------
    bundle : bytes
        As `core.edge.bundle.build` returns it.
    key : bytes
        The public key that must have signed it.

    Returns
    -------
    bytes
        The same for the same arguments.
    """
    folder = resources.files("core.edge.runtime")
    sources = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".py")),
        key=lambda entry: entry.name,
    )
    members = [Member(f"{_PACKAGE}/{entry.name}", entry.read_bytes()) for entry in sources]
    members += [Member(f"{package}/__init__.py", b"") for package in ("core", "core/edge")]
    members.append(Member("__main__.py", _MAIN.format(key=key.hex()).encode()))
    return archive([*members, Member(INNER, bundle, mapped=True)], before=_INTERPRETER)
