"""What the terminal shows of a local stack."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table
from rich.text import Text

from convq.given_redis import address, read_info, weaknesses
from convq.stack.local import LocalStack
from convq.stack.supervisor import Death


def print_start(console: Console, stack: LocalStack) -> None:
    """Say what runs, where, and how to use and stop it."""
    rows = Table.grid(padding=(0, 3))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("service", Text(stack.url, style="bold"))
    rows.add_row("docs", f"{stack.url}/docs")
    rows.add_row("data", Text(str(stack.data)))
    rows.add_row("redis", Text(_redis_words(stack)))
    if stack.store_url != str(stack.data / "artifacts"):
        rows.add_row("artifacts", Text(f"{stack.store_url} (CONVQ_STORE_URL)"))
    rows.add_row("keys", Text(_keys_words(stack)))
    rows.add_row("workers", ", ".join(stack.workers))
    rows.add_row("try", Text(_example(stack)))
    rows.add_row("stop", "Ctrl-C")
    console.print()
    console.print("[bold green]convq is running[/]")
    console.print()
    console.print(rows)
    console.print()
    if stack.redis is None:
        for weakness in weaknesses(read_info(stack.redis_url)):
            console.print("[yellow]warning[/]", Text(f"this Redis: {weakness}"))


def print_death(console: Console, death: Death) -> None:
    """Say that a child died, when it comes back, and what it said last."""
    console.print(
        f"[dim]{time.strftime('%H:%M:%S')}[/] [bold red]{death.name} ended[/] ({death.reason}); "
        f"starting it again in {death.delay:.1f} s"
    )
    for line in death.last_lines:
        console.print(Text(f"         │ {line}", style="dim"), soft_wrap=True)


def _redis_words(stack: LocalStack) -> str:
    if stack.redis is None:
        return f"{address(stack.redis_url)} (CONVQ_REDIS_URL, not managed here)"
    program = stack.redis.program
    return f"{program.path.name} on port {stack.redis.port} ({program.origin})"


def _keys_words(stack: LocalStack) -> str:
    if not stack.keys:
        return "off: everybody on this machine may do everything (CONVQ_KEYS=on)"
    where = "" if stack.redis is None else f" --data {stack.data}"
    return f"on; make one with: convq keys create --tenant NAME{where}"


def _example(stack: LocalStack) -> str:
    server = "" if stack.url == "http://127.0.0.1:8000" else f"CONVQ_URL={stack.url} "
    return f"{server}convq submit convolve photo.jpg --kernel gaussian:sigma=2 --out blurred/"
