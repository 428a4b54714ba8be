"""Views that stay: drawn again and again until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Group, RenderableType
from rich.live import Live

from convq.cli.console import out, text
from core.errors import Unavailable

# How often a view that stays is drawn.
EVERY = 1.0


def stay(draw: Callable[[], RenderableType], *, screen: bool) -> None:
    """Show what ``draw`` returns every second, until Ctrl-C; once where there is no terminal.

    While the service is away the last view stays, with a line that says so.

    Parameters
    ----------
    draw : callable
        Asks the service, and returns what is shown.
    screen : bool
        Take the whole terminal, and give it back at the end as it was.
    """
    shown = draw()
    if not out.is_terminal:
        out.print(shown)
        return
    with Live(shown, console=out, screen=screen, auto_refresh=False) as live:
        live.refresh()
        try:
            while True:
                time.sleep(EVERY)
                try:
                    shown = draw()
                except Unavailable as error:
                    away = text(f"{error.message}; this is how it was; try: convq doctor", "red")
                    live.update(Group(away, shown), refresh=True)
                else:
                    live.update(shown, refresh=True)
        except KeyboardInterrupt:
            return
