"""A bundle with the runtime around it: one file that Python runs as it is."""

from __future__ import annotations

from importlib import resources

from core.edge.archive import Member, archive
from core.edge.runtime.container import INNER

_INTERPRETER = b"#!/usr/bin/env python3\n"
_PACKAGES = ("core.edge.agent", "core.edge.runtime")
_MAIN = """\
import sys

if sys.argv[1:2] == ["agent"]:
    from core.edge.agent.main import main

    main({key!r}, sys.argv[2:], [sys.executable, sys.argv[0], "agent"])
else:
    from core.edge.runtime.main import main

    main({key!r})
"""


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
    members = [
        Member(f"{package.replace('.', '/')}/{entry.name}", entry.read_bytes())
        for package in _PACKAGES
        for entry in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".py")
    ]
    members += [Member(f"{package}/__init__.py", b"") for package in ("core", "core/edge")]
    members.append(Member("__main__.py", _MAIN.format(key=key.hex()).encode()))
    return archive([*members, Member(INNER, bundle, mapped=True)], before=_INTERPRETER)
