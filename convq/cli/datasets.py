"""``convq datasets``: make small real data sets, pack one's own, and look into them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convq.cli import completion
from convq.cli.command import Command, Group
from convq.cli.options import AsJson
from convq.cli.reading import Reading, data_options

if TYPE_CHECKING:
    from convq.datasets import Sample
    from core.nets.data import DataInfo

# More classes than anybody wants to read.
_SHOWN_CLASSES = 20
_AT_ONCE = 256

app = typer.Typer(cls=Group, no_args_is_help=True)


@app.callback()
def datasets() -> None:
    """Make small real data sets, pack your own, look into them."""


@app.command("list", cls=Command)
def list_samples(as_json: AsJson = False) -> None:
    """List the data sets that can be made, and the formats that are read."""
    from convq.cli.console import out, print_json, text
    from convq.cli.tables import table
    from convq.datasets import SAMPLES
    from core.nets.data import FORMATS

    if as_json:
        samples = [
            {name: getattr(sample, name) for name in ("name", "summary", "source", "package")}
            for sample in SAMPLES
        ]
        formats = [
            {"name": known.name, "summary": known.summary, "options": known.options}
            for known in FORMATS
        ]
        print_json({"datasets": samples, "formats": formats})
        return
    made = table("NAME", "WHAT IT HOLDS", wide="WHAT IT HOLDS")
    for sample in SAMPLES:
        shown = text(sample.summary).append("\n").append_text(text(sample.source, "dim"))
        made.add_row(text(sample.name, "bold"), shown)
    out.print(made)
    read = table("FORMAT", "WHAT IS READ", wide="WHAT IS READ")
    for known in FORMATS:
        read.add_row(text(known.name, "bold"), text(known.summary))
    out.print()
    out.print(read)


@app.command(cls=Command)
def make(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.samples,
            help="One of those that convq datasets list shows.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            show_default=False,
            help="Where it goes; by default a file of its name.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a small real data set, from files that installed packages carry.

    [bold]convq datasets make mnist-small --out mnist.npz[/bold]
    """
    from convq.datasets import make as make_sample
    from core.nets.data import inspect

    sample = _named(name)
    path = out or Path(f"{sample.name}{sample.extension}")
    make_sample(sample, path)
    _show(path, inspect(path), as_json)


@app.command(cls=Command)
def pack(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            show_default=False,
            help="A folder with a folder for each class, or with index.csv; or a pair of IDX "
            "files.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.zip", help="Where the data set goes.")
    ],
    reading: Reading = None,
    as_json: AsJson = False,
) -> None:
    """Put a folder, or files, into one file that can be uploaded.

    [bold]convq datasets pack photos/ --out photos.zip[/bold]
    """
    from convq.datasets.packing import pack as pack_files

    _show(out, pack_files(files, out, data_options(reading)), as_json)


@app.command(cls=Command)
def show(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", show_default=False, help="A data set in one file.")
    ],
    reading: Reading = None,
    check: Annotated[
        bool, typer.Option("--check", help="Read every image, not only headers and labels.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a data set holds, or what is wrong with it."""
    from core.errors import InvalidInput
    from core.nets.data import inspect, load

    if not file.is_file():
        raise InvalidInput("there is no such file", field="FILE", given=str(file))
    options = data_options(reading)
    found = inspect(file, options)
    if check:
        data = load(file, options)
        for start in range(0, len(data), _AT_ONCE):
            data.batch(range(start, min(start + _AT_ONCE, len(data))))
    _show(file, found, as_json)


def _named(name: str) -> Sample:
    from convq.datasets import SAMPLES
    from core.errors import InvalidInput

    for sample in SAMPLES:
        if sample.name == name:
            return sample
    raise InvalidInput(
        "there is no such data set",
        field="NAME",
        given=name,
        accepted=[sample.name for sample in SAMPLES],
    )


def _show(path: Path, info: DataInfo, as_json: bool) -> None:
    from convq.cli.console import out, print_json, text
    from convq.cli.tables import facts
    from convq.units import dimensions, size

    if as_json:
        print_json({"file": str(path)} | info.to_dict())
        return
    pairs: list[tuple[str, Any]] = [
        ("file", text(path, "bold").append(f"  {size(path.stat().st_size)}", "dim")),
        ("format", text(info.format)),
        ("images", text(f"{info.count} of {dimensions(info.shape)} {info.dtype}")),
        ("decoded", text(size(info.nbytes))),
        ("task", text(info.task)),
    ]
    if info.classes is not None and info.counts is not None:
        numbers = list(zip(info.classes, info.counts, strict=True))
        shown = ", ".join(f"{name} ({count})" for name, count in numbers[:_SHOWN_CLASSES])
        left = len(numbers) - _SHOWN_CLASSES
        pairs.append(("classes", text(f"{shown}, and {left} more" if left > 0 else shown)))
    elif info.task == "regression":
        pairs.append(("target", text(dimensions(info.target or ()))))
    if "sample_rate" in info.about:
        pairs.append(("rate", text(f"{info.about['sample_rate']} Hz")))
    if "vocabulary" in info.about:
        pairs.append(("words", text(len(info.about["vocabulary"]))))
    out.print(facts(pairs))
