"""convq against CuPy and PyTorch on a CUDA device: ``python -m bench.gpu``.

Writes ``bench/results/gpu-DEVICE.json``, ``.md`` and ``.png``. ``--only TEXT`` measures the cells
whose family or name contains the text and prints them; ``--list`` needs no device; ``--render
FILE.json`` writes the page and the plot of figures that were measured before.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from bench.cells import Cell
from bench.gpu.cells import every_cell
from bench.gpu.page import page, plot
from core.arrays import gpu_module
from core.errors import Unavailable

RESULTS = Path(__file__).parents[1] / "results"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print as it goes, and write the results; 2 where there is no device."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--only", default="", help="part of a cell's family or name")
    parser.add_argument("--list", action="store_true", help="print the cells, measure nothing")
    parser.add_argument("--render", type=Path, help="a report of before, as JSON")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go")
    given = parser.parse_args(arguments)
    if given.render:
        _write(json.loads(given.render.read_text()), given.out)
        return 0
    cells = [c for c in every_cell() if given.only in c.family or given.only in c.name]
    if not cells:
        return _refuse(f"no cell is called like {given.only!r}")
    if given.list:
        print("\n".join(f"{cell.family:<12} {cell.name}" for cell in cells))
        return 0
    try:
        cupy = gpu_module()
    except Unavailable as missing:
        return _refuse(str(missing))
    report = _measured(cupy, cells)
    if not given.only:
        _write(report, given.out)
    return 0


def _measured(cupy: Any, cells: list[Cell]) -> dict[str, Any]:
    from bench.gpu.ceilings import measure as ceilings
    from bench.gpu.timing import machine, row

    report: dict[str, Any] = {"machine": machine(cupy), "ceilings": ceilings(cupy), "rows": []}
    print(json.dumps(report, indent=1), flush=True)
    for cell in cells:
        report["rows"].append(found := row(cupy, cell))
        times = ", ".join(f"{name} {1e3 * s:.3f}" for name, s in found["seconds"].items())
        print(f"{found['cell']:<28} ms: {times}", flush=True)
    return report


def _refuse(why: str) -> int:
    print(f"nothing was measured: {why}", file=sys.stderr)
    return 2


def _write(report: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", report["machine"]["device"].lower()).strip("-")
    target = folder / f"gpu-{name}"
    target.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    target.with_suffix(".md").write_text(page(report, target.with_suffix(".png").name))
    plot(report, target.with_suffix(".png"))
    print(f"written: {target}.json, .md and .png")


if __name__ == "__main__":
    sys.exit(main())
