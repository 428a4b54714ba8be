"""The one way to write a kernel on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.errors import InvalidInput

ACCEPTED = (
    "a preset with its parameters (gaussian:sigma=2,size=9), nested lists ('[[0,1],[1,0]]'), "
    "a file (k.npy) or a digest (sha256:...)"
)


def parse_kernel(value: str) -> dict[str, Any] | Path:
    """Return a kernel as a job states it, or the file that holds it.

    Raises
    ------
    InvalidInput
        If the text is no kernel.

    Examples
    --------
    >>> parse_kernel("gaussian:sigma=2,size=9")
    {'preset': 'gaussian', 'sigma': 2, 'size': 9}
    >>> parse_kernel("[[0, 1], [1, 0]]")
    {'values': [[0, 1], [1, 0]]}
    >>> parse_kernel("kernels/k.npy").name
    'k.npy'
    """
    if value.startswith("["):
        return {"values": _values(value)}
    if value.startswith("sha256:"):
        return {"artifact": value}
    name, colon, rest = value.partition(":")
    # Presets have neither dots nor slashes in their names, files have one or the other.
    if "." in name or "/" in name:
        return Path(value)
    if not name or (colon and not rest):
        raise InvalidInput("no kernel", field="kernel", given=value, accepted=ACCEPTED)
    return {"preset": name} | (parameters(rest, "kernel") if colon else {})


def parameters(text: str, field: str) -> dict[str, Any]:
    """Return what ``name=value,...`` says; ``field`` is what errors call it.

    Examples
    --------
    >>> parameters("sigma=2,direction=x", "kernel")
    {'sigma': 2, 'direction': 'x'}
    """
    return dict(_parameter(part, field) for part in text.split(","))


def _values(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError as error:
        raise InvalidInput(
            f"the nested lists are not complete ({error})",
            field="kernel",
            given=value,
            accepted="numbers, commas and brackets, as in '[[0,1,0],[1,-4,1],[0,1,0]]'",
        ) from None


def _parameter(part: str, field: str) -> tuple[str, Any]:
    name, equals, value = part.partition("=")
    if not (name and equals and value):
        raise InvalidInput("no parameter", field=field, given=part, accepted="name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
