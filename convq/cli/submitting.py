"""Submit files as a job of any kind, follow it, show figures of it, fetch its results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from convq.client import Client, Job
    from core.errors import ConvqError

Show: TypeAlias = "Callable[[Client, Job], RenderableType | None]"
"""Makes what is shown of a job that has ended, from its results."""

_DIGEST = "sha256:"


def submit_files(
    kind: str,
    files: list[Path],
    fields: Mapping[str, Any],
    *,
    out: Path | None,
    label: str | None,
    detach: bool,
    as_json: bool,
    url: str | None,
    referred: Mapping[str, str] | None = None,
    show: Show | None = None,
) -> None:
    """Submit a job; unless it is detached, follow it, show its figures and fetch its results.

    Parameters
    ----------
    kind : str
        Of the job.
    files : list of Path
        Its inputs; a folder stands for the files in it.
    fields : mapping
        Its other fields; None leaves the default to the service.
    out, label, detach, as_json, url
        The options that all such commands have.
    referred : mapping, optional
        Fields that name a file, which is uploaded, or are references already.
    show : callable, optional
        What to show on a terminal once it has ended.
    """
    from convq.cli.boundary import FAILED
    from convq.cli.console import answered, err, print_json, text
    from convq.cli.console import out as console
    from convq.cli.delivery import deliver
    from convq.cli.files import expand
    from convq.cli.following import follow, upload
    from convq.cli.refusals import Refusals
    from convq.cli.tables import facts
    from convq.client import Client

    if detach and out is not None:
        raise typer.BadParameter("a detached job has no results to write yet", param_hint="--out")
    paths = expand(files)
    refusals = Refusals()
    given = {name: value for name, value in fields.items() if value is not None}
    with Client(url) as client:
        given |= {name: _uploaded(client, value) for name, value in (referred or {}).items()}
        inputs = upload(client, paths, refusals)
        job = client.submit(kind, inputs=inputs, label=label, **given)
        if detach:
            if as_json:
                print_json({"job": answered(job), "refused": refusals.to_json()})
            else:
                typer.echo(job.id)
            raise typer.Exit(FAILED if refusals else 0)
        if not as_json:
            err.print(facts([("job", text(job.id))]))
        done = follow(client, job)
        if show is not None and not as_json and (shown := show(client, done)) is not None:
            console.print(shown)
        deliver(client, done, out, as_json, refusals)


def columns(suffix: str, **paths: str) -> Show:
    """Return what shows a line for each document of a job.

    Parameters
    ----------
    suffix : str
        How the names of the documents end, such as ``-spectrum.json``.
    **paths : str
        For each column, where in the document its figure stands, with dots between the names.
    """

    def show(client: Client, job: Job) -> RenderableType | None:
        from convq.cli.console import text
        from convq.cli.tables import table

        names = [found.name for found in client.results(job).results]
        titles = [name.upper().replace("_", " ") for name in paths]
        made = table("NAME", *titles, right=tuple(titles))
        for name in names:
            if name.endswith(suffix):
                document = json.loads(client.result(job, name, as_="bytes"))
                figures = [_figure(document, path) for path in paths.values()]
                made.add_row(text(name.removesuffix(suffix), "bold"), *map(text, figures))
        return made if made.row_count else None

    return show


def _figure(document: Any, path: str) -> str:
    for name in path.split("."):
        document = None if document is None else document[name]
    return f"{document:.5g}" if isinstance(document, float) else str(document or "-")


def _uploaded(client: Client, value: str) -> str:
    """Return the digest of a file, or the reference that it is."""
    from convq.cli.following import upload

    if value.startswith(_DIGEST) or not Path(value).is_file():
        return value
    (reference,) = upload(client, [Path(value)], _raise)
    return str(reference["artifact"])


def _raise(name: str, error: ConvqError) -> None:
    raise error
