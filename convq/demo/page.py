"""The demo's page: one HTML file that needs nothing else to be looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from convq.cli.units import dimensions, duration, size
from convq.client.models import Candidate, Failure, Job, PlanGroup
from convq.demo import pictures
from convq.demo.exhibits import Exhibit


@dataclass(frozen=True)
class Shown:
    """An exhibit whose job has ended.

    Attributes
    ----------
    exhibit : Exhibit
        What was asked for.
    job : Job
        The record at the end.
    outputs : tuple of Path
        The fetched results.
    failures : tuple of Failure
        Inputs that could not be computed.
    """

    exhibit: Exhibit
    job: Job
    outputs: tuple[Path, ...]
    failures: tuple[Failure, ...]

    @property
    def groups(self) -> list[PlanGroup]:
        """The planned groups of inputs; none when the job has no plan."""
        return self.job.plan.groups if self.job.plan else []

    @property
    def algorithms(self) -> str:
        """Names of the chosen algorithms."""
        chosen = dict.fromkeys(group.chosen for group in self.groups if group.chosen)
        return ", ".join(chosen) or "–"

    @property
    def predicted(self) -> float | None:
        """Seconds that the plan expected."""
        return self.job.plan.seconds if self.job.plan else None

    @property
    def computed(self) -> float | None:
        """Seconds that the computing took, without reading, decoding, encoding and writing."""
        taken = [
            group.inputs * group.measured_seconds
            for group in self.groups
            if group.measured_seconds is not None
        ]
        return sum(taken) if taken else None


def write_page(folder: Path, shown: Sequence[Shown], facts: str) -> Path:
    """Write ``index.html``.

    Parameters
    ----------
    folder : Path
        Where inputs and outputs lie (below it), so that links are relative.
    shown : sequence of Shown
        All exhibits, in order.
    facts : str
        A line about machine and run.

    Returns
    -------
    Path
        Of the page.
    """
    here = files("convq.demo")
    body = "\n".join([_overview(shown), *(_card(one, folder) for one in shown)])
    page = folder / "index.html"
    page.write_text(
        Template((here / "page.html").read_text(encoding="utf-8")).substitute(
            style=(here / "page.css").read_text(encoding="utf-8"), facts=escape(facts), body=body
        ),
        encoding="utf-8",
    )
    return page


def _overview(shown: Iterable[Shown]) -> str:
    rows = "".join(
        f'<tr><td><a href="#{one.exhibit.slug}">{escape(one.exhibit.title)}</a></td>'
        f'<td class="wide">{_kernel_shapes(one)}</td><td>{escape(one.algorithms)}</td>'
        f'<td class="number wide">{duration(one.predicted)}</td>'
        f'<td class="number">{duration(one.computed)}</td></tr>\n'
        for one in shown
    )
    return (
        '<div class="card overview scroll"><table><thead><tr><th>job</th>'
        '<th class="wide">kernel</th><th>algorithm</th><th class="number wide">predicted</th>'
        f'<th class="number">measured</th></tr></thead><tbody>\n{rows}</tbody></table></div>'
    )


def _card(one: Shown, folder: Path) -> str:
    exhibit = one.exhibit
    return f"""<section class="card" id="{exhibit.slug}">
<h2>{escape(exhibit.title)}</h2>
<p>{escape(exhibit.text)}</p>
{_views(one, folder)}
<div class="how">
<div>{_kernel(exhibit)}</div>
<div>{_plan(one)}{_times(one)}{_failures(one)}</div>
</div>
<div class="command"><code>{_command(exhibit)}</code></div>
</section>"""


def _command(exhibit: Exhibit) -> str:
    # A line may break between words, but not within `--kernel`.
    return " ".join(f"<span>{escape(word)}</span>" for word in exhibit.command.split())


def _views(one: Shown, folder: Path) -> str:
    inputs, outputs, view = one.exhibit.inputs, one.outputs, one.exhibit.view
    if view == "maps":
        left = _linked(inputs[0], folder, pictures.preview(inputs[0]), inputs[0].name)
        right = _mosaic("maps", outputs, folder, f"{len(outputs)} feature maps")
    elif view == "sheet":
        readable = [path for path in inputs if path.name not in _failed_names(one)]
        left = _mosaic("sheet", readable, folder, f"{len(inputs)} files")
        right = _mosaic("sheet", outputs, folder, f"{len(outputs)} results")
    elif view == "sound":
        left, right = (_sound(path) for path in (inputs[0], outputs[0]))
    else:
        draw = pictures.detail if view == "detail" else pictures.preview
        note = "a detail of " if view == "detail" else ""
        left = _linked(inputs[0], folder, draw(inputs[0]), note + inputs[0].name)
        right = _linked(outputs[0], folder, draw(outputs[0]), one.exhibit.kernel_words)
    return f'<div class="pair {view}-pair">\n{left}\n{right}\n</div>'


def _linked(path: Path, folder: Path, picture: str, caption: str) -> str:
    link = escape(path.relative_to(folder).as_posix())
    return (
        f'<figure><a href="{link}"><img src="{picture}" alt="{escape(path.name)}" loading="lazy">'
        f"</a><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _mosaic(kind: str, paths: Sequence[Path], folder: Path, caption: str) -> str:
    tiles = "".join(
        f'<a href="{escape(path.relative_to(folder).as_posix())}">'
        f'<img src="{pictures.tile(path)}" alt="{escape(path.name)}" loading="lazy"></a>'
        for path in paths
    )
    return f'<figure><div class="{kind}">{tiles}</div><figcaption>{caption}</figcaption></figure>'


def _sound(path: Path) -> str:
    name = escape(path.name)
    return (
        f'<figure><img src="{pictures.spectrogram(path)}" alt="spectrogram of {name}">'
        f'<audio controls preload="none" src="{pictures.sound(path)}"></audio>'
        f"<figcaption>{name}; time to the right, 0 to 11 kHz upwards</figcaption></figure>"
    )


def _kernel(exhibit: Exhibit) -> str:
    drawn = "".join(pictures.kernel_picture(taps) for taps in exhibit.kernel)
    many = " many" if len(exhibit.kernel) > 2 else ""
    count = f"{len(exhibit.kernel)} kernels, " if len(exhibit.kernel) > 1 else ""
    return (
        f'<figure><div class="kernel{many}">{drawn}</div><figcaption>'
        f"{escape(exhibit.kernel_words)}<br>{count}{dimensions(exhibit.kernel.shape[1:])} taps"
        "</figcaption></figure>"
    )


def _plan(one: Shown) -> str:
    if len(one.groups) == 1:
        (group,) = one.groups
        return _candidates(group) + f'<p class="why">{escape(group.why or "")}</p>'
    rows = "".join(
        f'<tr><td class="number">{group.inputs}</td><td>{dimensions(group.input_shape)}</td>'
        f'<td>{escape(group.chosen or "–")}</td><td class="number">{duration(group.seconds)}</td>'
        f'<td class="number">{duration(group.measured_seconds)}</td></tr>\n'
        for group in one.groups
    )
    return (
        '<div class="scroll"><table><thead><tr><th class="number">inputs</th><th>shape</th>'
        '<th>algorithm</th><th class="number">predicted, each</th>'
        '<th class="number">measured, each</th></tr></thead>'
        f"<tbody>\n{rows}</tbody></table></div>"
    )


def _candidates(group: PlanGroup) -> str:
    rows = "".join(_candidate(one, group.chosen) for one in group.candidates)
    return (
        '<div class="scroll"><table><thead><tr><th>algorithm</th><th class="number">predicted</th>'
        f'<th class="number">memory</th></tr></thead><tbody>\n{rows}</tbody></table></div>'
    )


def _candidate(candidate: Candidate, chosen: str | None) -> str:
    name = escape(candidate.algorithm)
    if candidate.refused is not None:
        reason = escape(candidate.refused)
        return f'<tr class="refused"><td>{name}</td><td colspan="2">{reason}</td></tr>\n'
    mark = ' class="chosen"' if candidate.algorithm == chosen else ""
    return (
        f'<tr{mark}><td>{name}</td><td class="number">{duration(candidate.seconds)}</td>'
        f'<td class="number">{size(candidate.bytes)}</td></tr>\n'
    )


def _times(one: Shown) -> str:
    rows = (
        ("predicted", one.predicted),
        ("measured", one.computed),
        ("whole job", one.job.timings.ran),
    )
    parts = "".join(
        f"<div><dt>{name}</dt><dd>{duration(seconds)}</dd></div>" for name, seconds in rows
    )
    return f'<dl class="times">{parts}</dl>'


def _failures(one: Shown) -> str:
    if not one.failures:
        return ""
    items = "".join(
        f"<li>{escape(failure.name or str(failure.input))}: {escape(failure.message)}</li>"
        for failure in one.failures
    )
    return f'<ul class="failures">{items}</ul>'


def _failed_names(one: Shown) -> set[str]:
    return {failure.name for failure in one.failures if failure.name is not None}


def _kernel_shapes(one: Shown) -> str:
    return " and ".join(dict.fromkeys(dimensions(group.kernel_shape) for group in one.groups))
