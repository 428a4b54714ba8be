"""``convq serve``: the local stack in the foreground until it is told to stop."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console

from convq.stack.local import LocalStack
from convq.stack.report import print_death, print_start
from convq.stack.signals import interrupted_by_signals, signal_events


def serve(*, data: Path, port: int = 8000, host: str = "127.0.0.1", workers: int = 1) -> int:
    """Run Redis, the API and workers until SIGINT, SIGTERM or SIGHUP, then drain.

    Redis is the one that ``CONVQ_REDIS_URL`` names, else ``redis-server`` or ``valkey-server`` on
    PATH, else the bundled one. A first signal lets running jobs finish or go back to the queue; a
    second one ends everything at once. Nothing that was accepted is lost either way.

    Parameters
    ----------
    data : Path
        Folder for records, artifacts and logs; made when missing.
    port : int
        Of the API; 0 stands for any free one.
    host : str
        Address that the API listens on.
    workers : int
        Number of Celery workers.

    Returns
    -------
    int
        Exit status: 0 after a drain, 1 when something did not end by itself and was killed, 130
        when it was interrupted before it was up.

    Raises
    ------
    Conflict
        When another stack uses the folder, or another program the port.
    InvalidInput
        When an argument is not acceptable.
    Unavailable
        When Redis, the API or a worker does not come up.
    """
    console = Console(highlight=False)
    stack = LocalStack(
        data,
        port=port,
        host=host,
        workers=workers,
        redis_url=os.environ.get("CONVQ_REDIS_URL"),
        on_death=lambda death: print_death(console, death),
    )
    try:
        with console.status("starting Redis, API and workers"), interrupted_by_signals():
            stack.start()
    except KeyboardInterrupt:
        console.print("interrupted; nothing runs")
        return 130
    with signal_events() as (asked, again):
        try:
            print_start(console, stack)
            asked.wait()
            console.print("stopping; jobs finish or go back to the queue (Ctrl-C again: at once)")
        finally:
            killed = stack.stop(again)
    if killed:
        console.print(f"[yellow]killed {', '.join(killed)}[/]; the logs are in {data / 'logs'}")
        return 1
    console.print("[bold green]stopped[/]; jobs and results are kept in", str(stack.data))
    return 0
