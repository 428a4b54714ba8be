"""``convq keys``: who may use the service. Works on its Redis, so that there can be a first key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convq.cli.command import Command, Group
from convq.cli.options import AsJson
from core.errors import InvalidInput

if TYPE_CHECKING:
    from core.store.keys import KeyStore

app = typer.Typer(cls=Group, no_args_is_help=True)

Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default=False,
        help="Data folder of a running convq serve; without it CONVQ_REDIS_URL says which Redis.",
    ),
]

_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@app.callback()
def keys() -> None:
    """Make, list and revoke API keys."""


@app.command("create", cls=Command)
def create(
    tenant: Annotated[str, typer.Option(metavar="NAME", help="Whom the key acts for.")],
    scopes: Annotated[
        str,
        typer.Option(
            metavar="LIST", help="What it allows: submit, read, edge, admin; with commas between."
        ),
    ] = "submit,read",
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it ends: 90d, 12h, 30m, 4w. \\[default: never]"),
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it is for.", show_default=False)
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="Requests per second; 0 for no limit.", show_default=False
        ),
    ] = None,
    burst: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="Requests at once.", show_default=False),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, this once: only its hash is kept."""
    from convq.cli.console import err, print_json
    from convq.cli.key_tables import key_to_json

    key, text = _store(data).create(
        tenant=tenant,
        scopes=[scope.strip() for scope in scopes.split(",") if scope.strip()],
        lasts=None if expires is None else parse_time(expires),
        label=label,
        rate=rate,
        burst=burst,
    )
    if as_json:
        print_json(key_to_json(key) | {"key": text})
        return
    # Alone on stdout, so that it can be put into a file or a variable.
    typer.echo(text)
    err.print(
        f"the key {key.id} of {key.tenant}; it is shown this once. "
        "Clients take it from CONVQ_API_KEY."
    )


@app.command("list", cls=Command)
def list_keys(data: Data = None, as_json: AsJson = False) -> None:
    """List all keys, without their secrets."""
    from convq.cli.console import err, out, print_json
    from convq.cli.key_tables import key_to_json, keys_table

    found = _store(data).all()
    if as_json:
        print_json({"keys": [key_to_json(key) for key in found]})
    elif found:
        out.print(keys_table(found))
    else:
        err.print("no keys; make one with: convq keys create --tenant NAME")


@app.command("revoke", cls=Command)
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="Of the key, as convq keys list shows.")],
    data: Data = None,
) -> None:
    """Let a key be refused from now on."""
    from convq.cli.console import err

    _store(data).revoke(key)
    err.print(f"the key {key} is refused from now on")


def parse_time(given: str) -> float:
    """Return the seconds of a time such as ``90d``.

    Examples
    --------
    >>> parse_time("90d"), parse_time("30m")
    (7776000.0, 1800.0)
    """
    found = re.fullmatch(r"(\d{1,6})([mhdw])", given)
    if found is None:
        raise InvalidInput("no time", field="expires", given=given, accepted="90d, 12h, 30m or 4w")
    return float(int(found[1]) * _SECONDS[found[2]])


def _store(data: Path | None) -> KeyStore:
    from convq.given_redis import settings_of
    from core.store.connection import connect
    from core.store.keys import KeyStore

    settings = settings_of(data)
    return KeyStore(connect(settings), settings.redis_prefix)
