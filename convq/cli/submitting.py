"""Submit files as a job of any kind, follow it, show figures of it, fetch its results."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import typer

from convq.cli.options import (
    AsJson,
    Detach,
    DeviceOption,
    Label,
    Out,
    PlanOnly,
    PriorityOption,
    Url,
)
from core.errors import InvalidInput

if TYPE_CHECKING:
    from rich.console import RenderableType

    from convq.client import Client, Job
    from convq.client.uploads import OnRefused
    from core.errors import ConvqError

Show: TypeAlias = "Callable[[Client, Job], RenderableType | None]"
"""Makes what is shown of a job that has ended, from its results."""

_DIGEST = "sha256:"


class Work(NamedTuple):
    """What a command asks for.

    Attributes
    ----------
    files : sequence of Path
        The inputs of the job; a folder stands for the files in it.
    fields : mapping
        Its other fields; None leaves the default to the service.
    referred : mapping
        Fields that name a file, which is uploaded, or are references already.
    check : callable, optional
        Told the client before anything is uploaded; raises if the job cannot be.
    show : callable, optional
        What is shown on a terminal once it has ended.
    """

    files: Sequence[Path]
    fields: Mapping[str, Any]
    referred: Mapping[str, str] = {}
    check: Callable[[Client], None] | None = None
    show: Show | None = None


def submits(kind: str) -> Callable[[Callable[..., Work]], Callable[..., None]]:
    """Make a command of a function whose parameters are options and which says what is asked for.

    The command has these options and those that all such commands share. It submits the job; unless
    it is to be detached, it follows the job, shows its figures and fetches its results. Where only
    the plan is wanted it shows that instead.

    Parameters
    ----------
    kind : str
        Of the job.
    """

    def command_of(ask: Callable[..., Work]) -> Callable[..., None]:
        @wraps(ask, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        def command(
            *,
            out: Out = None,
            label: Label = None,
            plan: PlanOnly = False,
            priority: PriorityOption = None,
            device: DeviceOption = None,
            detach: Detach = False,
            as_json: AsJson = False,
            url: Url = None,
            **given: Any,
        ) -> None:
            check_ends(detach=detach, plan=plan, out=out)
            work = ask(**given)
            work = work._replace(fields={**work.fields, "priority": priority, "device": device})
            if plan:
                _plan(kind, work, as_json=as_json, url=url)
                return
            _submit(kind, work, out=out, label=label, detach=detach, as_json=as_json, url=url)

        # Typer reads the options of a command from its signature.
        own = inspect.signature(ask, eval_str=True).parameters.values()
        # Names of options are looked up here, not where the wrapped function is.
        of_all = inspect.signature(
            command, follow_wrapped=False, eval_str=True, globals=globals()
        ).parameters.values()
        shared = (option for option in of_all if option.kind is option.KEYWORD_ONLY)
        options = [*own, *shared]
        command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        command.__annotations__ = {option.name: option.annotation for option in options}
        return command

    return command_of


def check_ends(*, detach: bool, plan: bool, out: Path | None, watch: bool = False) -> None:
    """Refuse options that want of a job what others say will not be there."""
    if detach and out is not None:
        raise typer.BadParameter("a detached job has no results to write yet", param_hint="--out")
    if out is not None and out.exists() and not out.is_dir():
        raise typer.BadParameter(f"{out} is there, and is no folder", param_hint="--out")
    if detach and watch:
        raise typer.BadParameter("a detached job is not waited for", param_hint="--watch")
    if plan and (detach or watch or out is not None):
        raise typer.BadParameter(
            "a job that is only planned has no id and no results", param_hint="--plan"
        )


def _plan(kind: str, work: Work, *, as_json: bool, url: str | None) -> None:
    from convq.cli.boundary import FAILED
    from convq.cli.console import answered, print_json
    from convq.cli.console import out as console
    from convq.cli.refusals import Refusals
    from convq.cli.tables import plan_view
    from convq.client import Client

    refusals = Refusals()
    with Client(url) as client:
        found = client.plan(kind, **_uploaded_fields(client, work, refusals))
    if as_json:
        print_json({"plan": answered(found), "refused": refusals.to_json()})
    else:
        console.print(plan_view(found))
    if refusals:
        raise typer.Exit(FAILED)


def _submit(
    kind: str,
    work: Work,
    *,
    out: Path | None,
    label: str | None,
    detach: bool,
    as_json: bool,
    url: str | None,
) -> None:
    from convq.cli.boundary import FAILED
    from convq.cli.console import answered, err, print_json, text
    from convq.cli.console import out as console
    from convq.cli.delivery import deliver
    from convq.cli.following import follow
    from convq.cli.refusals import Refusals
    from convq.cli.tables import facts, plan_line
    from convq.client import Client

    refusals = Refusals()
    with Client(url) as client:
        job = client.submit(kind, label=label, **_uploaded_fields(client, work, refusals))
        if detach:
            if as_json:
                print_json({"job": answered(job), "refused": refusals.to_json()})
            else:
                typer.echo(job.id)
            raise typer.Exit(FAILED if refusals else 0)
        if not as_json:
            plan = [] if job.plan is None else [("plan", plan_line(job.plan))]
            err.print(facts([("job", text(job.id)), *plan]))
        done = follow(client, job)
        if work.show is not None and not as_json:
            shown = work.show(client, done)
            if shown is not None:
                console.print(shown)
        deliver(client, done, out, as_json, refusals)


def _uploaded_fields(client: Client, work: Work, on_refused: OnRefused) -> dict[str, Any]:
    """Return the fields of the job, with its files uploaded."""
    from convq.cli.files import expand
    from convq.cli.following import upload

    paths = expand(work.files)
    given = {name: value for name, value in work.fields.items() if value is not None}
    if work.check is not None:
        work.check(client)
    given |= {name: _uploaded(client, name, value) for name, value in work.referred.items()}
    return given | {"inputs": upload(client, paths, on_refused)}


def columns(suffix: str, **paths: str) -> Show:
    """Return what shows a line for each document of a job.

    Parameters
    ----------
    suffix : str
        How the names of the documents end, such as ``-spectrum.json``.
    **paths : str
        For each column, where in the document its figure stands, with dots between the names.
        Columns without figures are left out.
    """

    def show(client: Client, job: Job) -> RenderableType | None:
        from convq.cli.console import text
        from convq.cli.tables import table

        names = [found.name for found in client.results(job).results if found.name.endswith(suffix)]
        documents = {name: json.loads(client.result(job, name, as_="bytes")) for name in names}
        rows = {
            name.removesuffix(suffix): [_figure(document, path) for path in paths.values()]
            for name, document in documents.items()
        }
        # What no document has is no column.
        kept = [n for n in range(len(paths)) if any(row[n] is not None for row in rows.values())]
        titles = [list(paths)[n].upper().replace("_", " ") for n in kept]
        made = table("NAME", *titles, right=tuple(titles))
        for name, row in rows.items():
            made.add_row(text(name, "bold"), *(text(row[n] or "-") for n in kept))
        return made if kept else None

    return show


def _figure(document: Any, path: str) -> str | None:
    for name in path.split("."):
        document = None if document is None else document.get(name)
    if document is None:
        return None
    if not isinstance(document, float):
        return str(document)
    # Places and times of hours keep what is behind the point.
    return f"{document:.1f}" if 1e4 <= abs(document) < 1e9 else f"{document:.5g}"


def _uploaded(client: Client, name: str, value: str) -> str:
    """Return the digest of a file, or the reference that it is."""
    # Models have names, which no file needs to have.
    if value.startswith(_DIGEST) or (name == "model" and not Path(value).is_file()):
        return value
    return upload_one(client, Path(value), name)


def upload_one(client: Client, path: Path, name: str) -> str:
    """Upload a file that the job cannot do without, as its field ``name``; return its digest."""
    from convq.cli.following import upload

    if not path.exists():
        raise InvalidInput(
            "there is no such file", field=name, given=str(path), accepted="a file, or a digest"
        )
    (reference,) = upload(client, [path], _raise)
    return str(reference["artifact"])


def _raise(name: str, error: ConvqError) -> None:
    raise error
