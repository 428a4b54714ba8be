"""The results as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def plot_ratios(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw each cell's ratio, by family, as a PNG file."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for place, family in enumerate(families):
        ratios = sorted(row["ratio"] for row in rows if row["family"] == family)
        # Side by side in their order, so that none hides another.
        step = 0.7 / max(1, len(ratios) - 1)
        places = [place - 0.35 + step * i for i in range(len(ratios))]
        colours = ["tab:blue" if ratio >= 1 else "tab:red" for ratio in ratios]
        axes.scatter(places, ratios, c=colours, s=14)
    axes.axhline(1, color="grey", linewidth=1)
    axes.set_yscale("log")
    axes.set_yticks([0.1, 0.2, 0.5, 1, 2, 5, 10, 20], minor=False)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    axes.minorticks_off()
    axes.set_xticks(range(len(families)), families, rotation=30, ha="right")
    axes.set_ylabel("best peer's time / convq's time")
    axes.set_title("convq against the best of SciPy, OpenCV, NumPy and PyTorch, cell by cell")
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(path, format="png", dpi=120)
