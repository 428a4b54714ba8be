"""convq against CuPy and PyTorch on a CUDA device: ``python -m bench.gpu``.

Writes ``bench/results/gpu-DEVICE.json``, after each cell, and in the end ``.md`` and ``.png``.
``--only TEXT`` measures the cells whose family or name contains the text and prints them;
``--list`` needs no device; ``--render FILE.json`` writes the page and the plot of figures that were
measured before, also of a run that was ended before its time.
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
    """Measure, print as it goes, and write the results.

    Returns
    -------
    int
        1 where a cell failed or a contender computed something else, 2 where there is no device.
    """
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
    report = _measured(cupy, cells, None if given.only else given.out)
    if not given.only:
        _write(report, given.out)
    wrong = [row["cell"] for row in report["rows"] if row["differing"]]
    for cell in [*report["failed"], *wrong]:
        print(f"failed, or differs: {cell}", file=sys.stderr)
    return 1 if report["failed"] or wrong else 0


def _measured(cupy: Any, cells: list[Cell], folder: Path | None) -> dict[str, Any]:
    from bench.gpu.ceilings import measure as ceilings
    from bench.gpu.timing import in_short, machine, row

    report: dict[str, Any] = {
        "machine": machine(cupy), "ceilings": ceilings(cupy), "rows": [], "failed": {},
    }  # fmt: skip
    print(json.dumps(report, indent=1), flush=True)
    for cell in cells:
        try:
            found = row(cupy, cell)
        except Exception as error:  # noqa: BLE001 - the figures of all others are worth having
            report["failed"][cell.name] = in_short(error)
            print(f"{cell.name:<28} failed: {in_short(error)}", flush=True)
            continue
        report["rows"].append(found)
        if folder is not None:
            _record(report, folder)
        times = ", ".join(f"{name} {1e3 * s:.3f}" for name, s in found["seconds"].items())
        print(f"{found['cell']:<28} ms: {times}", flush=True)
    return report


def _refuse(why: str) -> int:
    print(f"nothing was measured: {why}", file=sys.stderr)
    return 2


def _record(report: dict[str, Any], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^a-z0-9]+", "-", report["machine"]["device"].lower()).strip("-")
    target = folder / f"gpu-{name}"
    target.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    return target


def _write(report: dict[str, Any], folder: Path) -> None:
    target = _record(report, folder)
    target.with_suffix(".md").write_text(page(report, target.with_suffix(".png").name))
    plot(report, target.with_suffix(".png"))
    print(f"written: {target}.json, .md and .png")


if __name__ == "__main__":
    sys.exit(main())
