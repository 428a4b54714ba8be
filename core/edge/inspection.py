"""What is in a bundle, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.edge.runtime.container import Container
from core.edge.runtime.errors import Damaged, EdgeError
from core.errors import IntegrityError, InvalidInput


def inspect(path: Path) -> dict[str, Any]:
    """Return what a bundle says of itself, once signature and digests have been checked.

    Parameters
    ----------
    path : Path
        A bundle, standalone or not.

    Returns
    -------
    dict
        The manifest without weights and places; ``key``, who signed it, in hexadecimal;
        ``processors``, which it has machine code for; and each step with ``by``: what computes it,
        ``machine code`` or ``NumPy``.

    Raises
    ------
    IntegrityError
        It is no bundle, or a damaged one.
    InvalidInput
        There is no such file.
    """
    try:
        container = Container(str(path))
    except EdgeError as error:
        kind = IntegrityError if isinstance(error, Damaged) else InvalidInput
        raise kind(error.message, field=error.field, accepted="what `convq bundle` wrote") from None
    manifest, key = container.manifest, container.key
    container.close()
    variants = manifest["code"]["variants"]
    # The last one, which runs wherever the others do: it may leave less to NumPy.
    coded = {
        number
        for first, count, _ in variants[-1]["parts"]
        for number in range(first, first + count)
    }
    plan = manifest["plan"]
    steps = [
        {
            "layer": step["layer"],
            "op": step["op"],
            "shape": step["y"]["shape"],
            "by": "machine code" if number in coded else "NumPy",
        }
        for number, step in enumerate(plan["steps"])
    ]
    return {
        "model": manifest["model"],
        "precision": manifest["precision"],
        "profile": manifest["profile"],
        "estimate": manifest["estimate"],
        "input": plan["input"],
        "output": plan["output"],
        "multiply_adds": plan["multiply_adds"],
        "arena": plan["arena"] * 4,
        "files": manifest["files"],
        "key": key.hex(),
        "processors": [variant["cpu"] for variant in variants],
        "steps": steps,
    }
