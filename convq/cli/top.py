"""``convq top`` and ``convq stats``: the whole service at a glance, now and lately."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convq.cli.options import AsJson, Url

if TYPE_CHECKING:
    from rich.console import RenderableType

# Jobs that are shown, the newest; what runs is seen with the workers.
_JOBS = 12


def top(url: Url = None) -> None:
    """Watch the service: queue, workers and jobs on one screen, until Ctrl-C.

    Where there is no terminal it is drawn once.
    """
    from convq.cli.live import stay
    from convq.cli.statistics_tables import top_view
    from convq.client import Client

    with Client(url) as client:

        def draw() -> RenderableType:
            running = islice(client.jobs(state="running"), _JOBS)
            jobs = {job.id: job for job in (*running, *islice(client.jobs(), _JOBS))}
            return top_view(
                client.stats(),
                client.history("hour"),
                client.workers(),
                list(jobs.values())[:_JOBS],
                client.url,
            )

        stay(draw, screen=True)


def stats(
    window: Annotated[
        Literal["hour", "day", "week"],
        typer.Option("--window", "-w", metavar="NAME", help="How far back: hour, day or week."),
    ] = "hour",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Show how the service fares, and how many jobs it did, how quickly.

    [bold]convq stats --window day[/bold]
    """
    from convq.cli.console import answered, out, print_json
    from convq.cli.statistics_tables import stats_view
    from convq.client import Client

    with Client(url) as client:
        now, history = client.stats(), client.history(window)
    if as_json:
        print_json({"stats": answered(now), "history": answered(history)})
    else:
        out.print(stats_view(now, history))
