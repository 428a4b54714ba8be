"""``convq gc``: delete what nobody needs. Works on Redis and the store, as workers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from convq.cli.keys import Data
from convq.cli.options import AsJson

if TYPE_CHECKING:
    from core.store.garbage import Collected


def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be deleted.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Delete files that no record needs, and find records whose file is gone.

    Workers do the same once an hour. Whatever was used within CONVQ_RETENTION stays.
    """
    from convq.cli.console import out, print_json
    from convq.given_redis import settings_of
    from core.store.artifacts import ArtifactStore
    from core.store.connection import connect
    from core.store.garbage import Garbage

    settings = settings_of(data)
    with connect(settings) as client:
        artifacts = ArtifactStore(settings.store_url, client, settings.redis_prefix)
        garbage = Garbage(artifacts, client, settings.redis_prefix)
        found = garbage.collect(settings.retention, dry_run=dry_run)
    if as_json:
        print_json(vars(found) | {"dry_run": dry_run})
    else:
        out.print(_told(found, dry_run=dry_run))


def _told(found: Collected, *, dry_run: bool) -> str:
    from convq.units import counted, size

    verb = "would delete" if dry_run else "deleted"
    lines = [
        f"{counted(found.records, 'artifact')}, {found.referred} of them needed",
        f"{verb} {counted(found.artifacts, 'artifact')} and "
        f"{counted(found.strays, 'file')} without a record: {size(found.freed)}",
    ]
    lines += [f"its file is gone; upload it again: {digest}" for digest in found.missing]
    lines += [f"its count of references is wrong; kept: {digest}" for digest in found.miscounted]
    return "\n".join(lines)
