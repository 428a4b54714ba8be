"""How API keys are shown."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from convq.cli.console import text
from convq.cli.tables import table
from convq.units import age
from core.store.keys import Key


def keys_table(keys: Sequence[Key]) -> Table:
    """Return a table of keys."""
    made = table("ID", "TENANT", "SCOPES", "LABEL", "CREATED", "USED", "EXPIRES", wide="LABEL")
    for key in keys:
        made.add_row(
            text(key.id),
            text(key.tenant),
            text(",".join(sorted(key.scopes))),
            text(key.label or "-"),
            text(age(_when(key.created))),
            text(age(_when(key.used))),
            _expiry(key),
        )
    return made


def key_to_json(key: Key) -> dict[str, Any]:
    """Return a key as JSON-ready data."""
    moments = {"created": key.created, "expires": key.expires, "used": key.used}
    return {
        "id": key.id,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
        "label": key.label,
        "rate": key.rate,
        "burst": key.burst,
        **{name: _iso(seconds) for name, seconds in moments.items()},
    }


def _expiry(key: Key) -> Any:
    if key.expires is None:
        return text("never")
    if key.expires <= time.time():
        return text("expired", "red")
    return text(f"{datetime.fromtimestamp(key.expires, UTC):%Y-%m-%d %H:%M}")


def _when(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _iso(seconds: float | None) -> str | None:
    moment = _when(seconds)
    return None if moment is None else moment.isoformat()
