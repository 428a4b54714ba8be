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
    queue: Annotated[list[str] | None, typer.Option(help="A queue to serve; repeat it.")] = None,
) -> None:
    """Run only a worker; CONVQ_REDIS_URL and CONVQ_STORE_URL say for which service."""
    from convq.preflight import check_surroundings
    from core.settings import Settings
    from workers.main import run

    settings = Settings()
    check_surroundings(settings)
    raise typer.Exit(run(settings, name=name or socket.gethostname(), queues=queue or None))


@app.command("check", cls=Command)
def check(
    name: Annotated[
        str, typer.Argument(help="Of the worker.", show_default="the host's name")
    ] = "",
) -> None:
    """Fail unless a worker has shown signs of life lately; for the engine that runs its container.

    Looks into Redis, as the worker itself does: CONVQ_REDIS_URL.
    """
    from convq.given_redis import check_redis
    from core.errors import Unavailable
    from core.settings import Settings
    from core.store.connection import connect
    from core.store.workers import WorkerStore

    settings, name = Settings(), name or socket.gethostname()
    check_redis(settings.redis_url)
    with connect(settings) as client:
        states = {worker.name: worker.state for worker in WorkerStore(client, settings).all()}
    state = states.get(name, "not known")
    if state not in ("up", "busy", "draining"):
        raise Unavailable("the worker shows no signs of life", given=f"{name}: {state}")
    typer.echo(f"{name}: {state}")


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
