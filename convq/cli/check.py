"""One thing that ``convq doctor`` has looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes
    ----------
    name : str
        What was looked at.
    status : {"ok", "warn", "missing"}
        ``warn`` works, but not as it should.
    found : str
        What is there.
    advice : str
        What to do about it, if anything.
    needed : bool
        Whether nothing works without it.
    """

    name: str
    status: Literal["ok", "warn", "missing"]
    found: str
    advice: str = ""
    needed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON-ready data."""
        return asdict(self)
