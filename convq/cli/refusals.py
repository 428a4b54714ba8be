"""The files that are left out of a job because they were refused."""

from __future__ import annotations

from typing import Any

from convq.cli.console import err, text
from core.errors import ConvqError


class Refusals:
    """Says on stderr which file was refused and why, and remembers it.

    Examples
    --------
    >>> refusals = Refusals()
    >>> bool(refusals), refusals.to_json()
    (False, [])
    """

    def __init__(self) -> None:
        self._found: list[tuple[str, ConvqError]] = []

    def __call__(self, name: str, error: ConvqError) -> None:
        """Take note of a refused file."""
        self._found.append((name, error))
        # Said at once, above the progress bar: the other uploads may take hours.
        line = text("refused ", "red").append_text(text(f"{name}: {error.message}"))
        err.print(line.append_text(text(f" ({error.code})")), soft_wrap=True)

    def __bool__(self) -> bool:
        """Whether any file was refused."""
        return bool(self._found)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the files and the reasons as JSON-ready data."""
        return [{"name": name} | error.to_dict() for name, error in self._found]
