"""The page and the plot of a report."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench.gpu.contenders import PEERS
from bench.gpu.goals import floor, ratio, table, verdict


def page(report: dict[str, Any], picture: str) -> str:
    """Return the report as Markdown."""
    about, most = report["machine"], report["ceilings"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        f"# convq against its peers on {about['device']}",
        "",
        f"{about['date']}, commit {about['commit']}, {about['multiprocessors']} multiprocessors of "
        f"compute capability {about['compute_capability']}, {about['memory'] / 2**30:.0f} GiB, "
        f"driver {about['driver']}, Python {about['python']}, {versions}.",
        "",
        f"Measured in the same run: a copy moves {most['copy'] / 1e9:.0f} GB/s, multiply-adds in "
        f"registers reach {most['multiply_adds'] / 1e12:.1f} million million a second, and pinned "
        f"memory goes to the device with {most['to_device'] / 1e9:.1f} GB/s and back with "
        f"{most['to_host'] / 1e9:.1f} GB/s.",
        "",
        "Medians over turns, in microseconds on the device, inputs and outputs there. The ratio is "
        "the best peer's time over convq's: above 1, convq is faster. A pass reads the input and "
        "writes the output once, at the speed of the copy; `passes` says how many of these convq's "
        "time is. The floor is the longer of a pass and of every tap's multiply-adds; transforms, "
        "which do not do all of them, may be below it. Where `host`, what launching takes, is as "
        "long as convq's time, the device waits for it: a faster kernel would change nothing.",
        "",
        *table(report),
        "",
        f"![crossover]({picture})",
        "",
        "| family | cells | ratio, geometric mean | worst |",
        "|---|---|---|---|",
    ]
    for family in dict.fromkeys(row["family"] for row in report["rows"]):
        found = [ratio(row) for row in report["rows"] if row["family"] == family]
        ratios = [each for each in found if each is not None]
        if ratios:
            mean = math.exp(statistics.fmean(map(math.log, ratios)))
            lines.append(f"| {family} | {len(ratios)} | {mean:.2f} | {min(ratios):.2f} |")
    names = ["convq", *PEERS]
    lines += ["", "| cell | " + " | ".join(names) + " | host | ratio | passes | floor | goals |"]
    lines.append("|---" * (len(names) + 6) + "|")
    for row in report["rows"]:
        times = [_microseconds(row["seconds"].get(name)) for name in names]
        quotient = ratio(row)
        shown = "" if quotient is None else f"{quotient:.2f}"
        passes = row["seconds"]["convq"] * most["copy"] / row["bytes"]
        times.append(_microseconds(row["host"]["convq"]))
        last = f"{_microseconds(floor(row, report))} | {verdict(row, report)}"
        lines.append(f"| {row['cell']} | {' | '.join(times)} | {shown} | {passes:.1f} | {last} |")
    both = [row for row in report["rows"] if "convq cudnn" in row["seconds"]]
    if both:
        lines += ["", "Nets by convq's own kernel and by cuDNN:", ""]
        lines += ["| cell | direct | cudnn |", "|---|---|---|"]
    for row in both:
        times = [_microseconds(row["seconds"][f"convq {name}"]) for name in ("direct", "cudnn")]
        lines.append(f"| {row['cell']} | {' | '.join(times)} |")
    skips = {f"{name}: {why}" for row in report["rows"] for name, why in row["skipped"].items()}
    if skips:
        lines += ["", "An empty place is a peer that did not take part:", ""]
        lines += [f"- {reason}" for reason in sorted(skips)]
    if report["failed"]:
        lines += ["", "Cells that convq failed at:", ""]
        lines += [f"- {cell}: {why}" for cell, why in report["failed"].items()]
    return "\n".join(lines) + "\n"


def plot(report: dict[str, Any], path: Path) -> None:
    """Draw the times of pictures over the kernel's size, and the floor of one pass, as PNG."""
    rows = [row for row in report["rows"] if row["family"] == "dense-2d"]
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for name in dict.fromkeys(name for row in rows for name in row["seconds"]):
        points = [(r["kernel"], r["seconds"][name] * 1e6) for r in rows if name in r["seconds"]]
        style = "-" if name == "convq" else ":" if name in PEERS else "--"
        axes.plot(*zip(*points, strict=True), style, marker=".", label=name)
    if rows:
        floor = [row["bytes"] / report["ceilings"]["copy"] * 1e6 for row in rows]
        axes.plot([r["kernel"] for r in rows], floor, color="grey", linewidth=1, label="one pass")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.legend()
    axes.set_xlabel("side of the kernel")
    axes.set_ylabel("microseconds")
    axes.set_title(
        f"{rows[0]['cell'].split(' ')[0] if rows else ''} on {report['machine']['device']}"
    )
    figure.savefig(path, format="png", dpi=120)


def _microseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e6:.4g}"
