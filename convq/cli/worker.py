"""``convq worker``: run a worker here, or check, see, drain and resume those of the service."""

from __future__ import annotations

import socket
from typing import Annotated, Any

import typer

from convq.cli.command import Command, Group
from convq.cli.options import AsJson, Url


class Runs(Group):
    """Commands of which ``run`` is meant where none is named: ``convq worker NAME``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` before arguments that begin with no command."""
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if args and args[0] in known else ["run", *args])


app = typer.Typer(cls=Runs)

Name = Annotated[str, typer.Argument(metavar="NAME", help="As convq worker list shows it.")]


@app.callback()
def worker() -> None:
    """Run only a worker, or see, drain and resume those that run."""


@app.command("run", cls=Command)
def run_worker(
    name: Annotated[
        str, typer.Argument(help="Unique among all workers.", show_default="the host's name")
    ] = "",
    gpus: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="A worker for each of these GPUs: all, none, or numbers and UUIDs between commas. "
            "\\[default: CONVQ_GPUS, else all that answer]",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Workers on the processor beside them. \\[default: CONVQ_CONCURRENCY, else 1 "
            "where there is no GPU]",
        ),
    ] = None,
    queue: Annotated[list[str] | None, typer.Option(help="A queue to serve; repeat it.")] = None,
) -> None:
    """Run a worker for each GPU, else one on the processor, and no more of the service.

    CONVQ_REDIS_URL and CONVQ_STORE_URL say for which service.
    """
    from convq.preflight import check_surroundings
    from convq.stack.fleet import run_fleet
    from core.settings import Settings
    from workers.devices import slots
    from workers.main import run

    given: dict[str, Any] = {"gpus": gpus, "concurrency": concurrency}
    settings = Settings(**{key: value for key, value in given.items() if value is not None})
    check_surroundings(settings)
    found = slots(settings, name or socket.gethostname())
    if len(found) > 1:
        raise typer.Exit(run_fleet(settings, found, queue or ()))
    raise typer.Exit(run(settings, name=found[0].name, gpu=found[0].gpu, queues=queue or None))


@app.command("check", cls=Command)
def check(
    name: Annotated[
        str, typer.Argument(help="Of the worker.", show_default="the host's name")
    ] = "",
) -> None:
    """Fail unless a worker has shown signs of life lately; for the engine that runs its container.

    Of several that convq worker run has started under the name, one is enough. Looks into Redis, as
    the worker itself does: CONVQ_REDIS_URL.
    """
    from convq.given_redis import check_redis
    from core.errors import Unavailable
    from core.settings import Settings
    from core.store.connection import connect
    from core.store.workers import WorkerStore
    from workers.devices import is_one_of

    settings, name = Settings(), name or socket.gethostname()
    check_redis(settings.redis_url)
    with connect(settings) as client:
        found = [
            worker for worker in WorkerStore(client, settings).all() if is_one_of(worker.name, name)
        ]
    told = "\n".join(f"{worker.name}: {worker.state}" for worker in found) or f"{name}: not known"
    if not any(worker.state in ("up", "busy", "draining") for worker in found):
        raise Unavailable("the worker shows no signs of life", given=told)
    typer.echo(told)


@app.command("list", cls=Command)
def list_workers(as_json: AsJson = False, url: Url = None) -> None:
    """List the workers and what they compute on."""
    from convq.client import Client

    with Client(url) as client:
        _show(client.workers(), as_json)


@app.command("drain", cls=Command)
def drain(name: Name, as_json: AsJson = False, url: Url = None) -> None:
    """Let a worker begin no job; what it runs ends soon, or is saved and goes back to the queue."""
    from convq.client import Client

    with Client(url) as client:
        _show([client.drain_worker(name)], as_json)


@app.command("resume", cls=Command)
def resume(name: Name, as_json: AsJson = False, url: Url = None) -> None:
    """Let a worker that was drained begin jobs again."""
    from convq.client import Client

    with Client(url) as client:
        _show([client.resume_worker(name)], as_json)


def _show(found: list[Any], as_json: bool) -> None:
    from convq.cli.console import answered, err, out, print_json
    from convq.cli.tables import workers_table

    if as_json:
        print_json({"workers": [answered(worker) for worker in found]})
    elif found:
        out.print(workers_table(found))
    else:
        err.print("no workers; start one with: convq worker NAME")
