"""The runtime of boxes beside others, on this machine and one thread: ``make bench-edge``.

``python -m bench.edge.compare`` measures and writes ``bench/results/edge.json`` and ``.md``. Each
runtime has a process of its own for each net, one after the other, several times; what is reported
are medians. With ``--data mnist-train.npz`` it trains nets instead, and tells what int8 costs. The
part that is not measured stays as it is in the files.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.edge.installed import installed_bytes
from bench.edge.models import NETS, write
from bench.edge.page import page
from bench.edge.precision import precisions
from bench.edge.runtimes import ENVIRONMENT, RUNTIMES
from bench.measure import machine

RESULTS = Path(__file__).parents[1] / "results"
_ROUNDS, _SECONDS = 5, 0.15
_KEPT = ("load", "resident", "peak", "p50", "p99", "cold")


def main() -> int:
    """Measure, write and print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="an .npz with x and y, for the part on int8")
    arguments = parser.parse_args()
    path = RESULTS / "edge.json"
    report = json.loads(path.read_text()) if path.exists() else {}
    about = {"machine": machine() | {"versions": _versions()}}
    if arguments.data is None:
        report["runtimes"] = about | {"rounds": _ROUNDS, "rows": compare()}
    else:
        report["precision"] = about | {"rows": precisions(arguments.data)}
    path.write_text(json.dumps(report, indent=1) + "\n")
    path.with_suffix(".md").write_text(page(report))
    print(page(report))
    return 0


def compare() -> list[dict[str, Any]]:
    """Return a row for each net and runtime."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for net in NETS:
            missing = write(Path(folder), net)
            path = str(Path(folder) / net)
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in RUNTIMES}
            for _ in range(_ROUNDS):
                for name in set(RUNTIMES) - set(missing):
                    outcome = _measured(name, path)
                    if isinstance(outcome, str):
                        missing[name] = outcome
                    else:
                        found[name].append(outcome)
            for name, runtime in RUNTIMES.items():
                row: dict[str, Any] = {"net": net, "runtime": name}
                if name in missing:
                    rows.append(row | {"skipped": missing[name]})
                    continue
                taken = {k: statistics.median(one[k] for one in found[name]) for k in _KEPT}
                size = installed_bytes(runtime.packages)
                size += Path(path + ".pyz").stat().st_size if name == "convq" else 0
                worst = max(one["difference"] for one in found[name])
                rows.append(row | taken | {"installed": size, "difference": worst})
                print(rows[-1], flush=True)
    return rows


def _measured(name: str, path: str) -> dict[str, Any] | str:
    """Return what a process of a runtime reports, or the last line of what it says."""
    command = [sys.executable, "-s", "-m", "bench.edge.child", name, path, str(_SECONDS)]
    begin = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        cold = time.perf_counter() - begin
        assert process.stderr is not None
        lines, err = process.stdout.read().splitlines(), process.stderr.read()
    if process.returncode or len(lines) != 2:
        return (err.strip().splitlines() or [f"ended with {process.returncode}"])[-1][:200]
    return json.loads(lines[0]) | json.loads(lines[1]) | {"cold": cold}


def _versions() -> dict[str, str]:
    names = {"numpy", "llvmlite", *(name for r in RUNTIMES.values() for name in r.packages)}
    found = {}
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


if __name__ == "__main__":
    sys.exit(main())
