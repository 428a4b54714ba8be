"""``convq demo``: real jobs through the whole service, and a page that shows them."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from convq.client import Client
from convq.client.models import Job
from convq.demo.exhibits import Exhibit, make_exhibits
from convq.demo.page import Shown, write_page
from convq.stack import LocalStack
from convq.stack.folders import make_folder
from convq.units import dimensions, duration

# Without it a newcomer would think little of the predictions.
_FIRST_TIME = (
    "Predictions are for work that goes on. What was measured is each kernel's first time in a new "
    "process: it is compiled, on this machine once, or loaded, and memory is touched for the first "
    "time."
)


def run(out: Path) -> int:
    """Start a local stack, send it photographs and a recording, and write what comes back.

    Parameters
    ----------
    out : Path
        Folder for ``index.html``, ``inputs/`` and ``results/``, made when missing; what a former
        demo left there is replaced.

    Returns
    -------
    int
        Exit status: 0 when every job succeeded, else 1.

    Raises
    ------
    InvalidInput
        When `out` cannot be made or written to.
    NotFound
        When scikit-image, where the photographs come from, is not installed.
    Unavailable
        When the stack does not start.
    """
    console = Console(highlight=False)
    began = time.monotonic()
    out = make_folder(out, "out")
    inputs = make_folder(out / "inputs", "out")
    with console.status("collecting photographs"):
        exhibits = make_exhibits(inputs)
    with _stack(console) as stack, Client(stack.url) as client, _bars(console) as bars:
        shown = run_exhibits(client, exhibits, out / "results", bars)
    with console.status("writing the page"):
        page = write_page(out, shown, _facts(shown, time.monotonic() - began))
    failed = [one.exhibit.title for one in shown if one.job.state != "succeeded"]
    for title in failed:
        console.print(f"[red]{title} did not succeed[/]")
    console.print(
        f"\n{len(shown)} jobs in {time.monotonic() - began:.0f} s; everything is stopped."
    )
    console.print(_FIRST_TIME, style="dim")
    console.print(Text.assemble("look at  ", (page.as_uri(), "bold")), soft_wrap=True)
    return 1 if failed else 0


def run_exhibits(
    client: Client, exhibits: Sequence[Exhibit], results: Path, bars: Progress
) -> list[Shown]:
    """Submit all exhibits at once, follow them to their ends, and fetch their results.

    Parameters
    ----------
    client : Client
        Of a running service.
    exhibits : sequence of Exhibit
        The jobs.
    results : Path
        Folder that gets one folder for each job.
    bars : rich.progress.Progress
        Shows a bar for each job, and above them what has come of it.

    Returns
    -------
    list of Shown
        In the order of `exhibits`.
    """
    queued: list[tuple[Exhibit, Job, TaskID]] = []
    for exhibit in exhibits:
        bar = bars.add_task(exhibit.title, total=len(exhibit.inputs), state="uploading")
        job = client.submit(
            "convolve", inputs=list(exhibit.inputs), label=exhibit.title, **exhibit.spec
        )
        bars.update(bar, state=job.state)
        queued.append((exhibit, job, bar))
    shown = []
    for exhibit, job, bar in queued:

        def follow(now: Job, bar: TaskID = bar) -> None:
            stage = now.progress.stage if now.state == "running" else None
            bars.update(bar, completed=now.progress.done, state=stage or now.state)

        ended = client.wait(job, on_progress=follow)
        one = _fetch(client, exhibit, ended, results / exhibit.slug)
        bars.remove_task(bar)
        bars.console.print(_line(one), soft_wrap=True)
        shown.append(one)
    return shown


def _fetch(client: Client, exhibit: Exhibit, job: Job, folder: Path) -> Shown:
    if job.state != "succeeded":
        return Shown(exhibit, job, (), ())
    outputs = tuple(client.download(job, folder))
    return Shown(exhibit, job, outputs, tuple(client.results(job).failures))


def _line(one: Shown) -> Text:
    good = one.job.state == "succeeded"
    line = Text()
    line.append("✓ " if good else "✗ ", style="green" if good else "red")
    line.append(f"{one.exhibit.title:<26}", style="bold")
    if one.job.error is not None:
        return line.append(one.job.error.message)
    line.append(f"{one.algorithms:<22}", style="cyan")
    line.append(f"predicted {duration(one.predicted):>8}  measured {duration(one.computed):>8}")
    for group in one.groups[:1]:
        line.append(
            f"\n  {dimensions(group.kernel_shape)} on {dimensions(group.input_shape)}", style="dim"
        )
        line.append(f": {group.why}", style="dim")
    for failure in one.failures:
        line.append(f"\n  {failure.name}: {failure.message}", style="yellow")
    return line


@contextmanager
def _stack(console: Console) -> Iterator[LocalStack]:
    with tempfile.TemporaryDirectory(prefix="convq-demo-") as folder:
        # Nobody needs the jobs of an interrupted demo: no worker shall wait for its job to end.
        stack = LocalStack(Path(folder), settings={"drain": 0.5})
        with console.status("starting Redis, the API and a worker"):
            stack.start()
        try:
            console.print(Text.assemble("the service runs at ", (stack.url, "bold"), "\n"))
            yield stack
        finally:
            with console.status("stopping"):
                stack.stop()


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("  {task.description:<26}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("[dim]{task.fields[state]}"),
        console=console,
    )


def _facts(shown: Sequence[Shown], seconds: float) -> str:
    devices = {str(one.job.plan.device.get("name")) for one in shown if one.job.plan}
    return (
        f"{len(shown)} jobs in {seconds:.0f} s, start of the service included · "
        f"{', '.join(sorted(devices)) or platform.machine()} · Python {platform.python_version()}"
    )
