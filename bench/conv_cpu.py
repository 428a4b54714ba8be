"""convq against SciPy, OpenCV, NumPy and PyTorch on this machine's processor.

``python -m bench.conv_cpu`` measures every cell and writes ``bench/results/conv-cpu.json`` and
``.md``; ``--only TEXT`` measures the cells whose family or name contains the text and prints them.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from bench import roofline
from bench.cells import Cell, all_cells
from bench.measure import in_turn, machine
from bench.peers import PEERS, Skip, convq_auto, convq_batch_last
from bench.plot import plot_ratios

# What profiles showed, and what would help, by a part of a cell's name; the first that fits.
_CALL = (
    "about 16 µs of a call are Python's: looking up plan and table, addresses, the new array. What "
    "takes arrays only, as nets do (`Network.prepared`), has none of that"
)
REASONS = {
    "4096²": "reading 64 MB and writing 64 MB that are new to the process at each call takes "
    "nearly all of the time, and as much as the system needs to hand them out: alone 4096² * 3² "
    "took 7 ms. Results into a given array (`out=`) avoid it",
    "gaussian": _CALL + "; two passes over a small kernel also take more loads than products",
    "box 2048²": "running sums along a row go through the first cache once for each digit of the "
    "width; they should stay in registers",
    "box": _CALL + "; and as for the larger boxes",
    "uint8": "convq's result is float32, four times the picture, whose memory is new to the "
    "process at each call, and NumPy rounds it to bytes afterwards; OpenCV writes bytes. A kernel "
    "that stores bytes would close the gap",
    "1000 *": _CALL + "; along one axis blocks and their edges are called one by one, which takes "
    "as long again: rows of one line, as pictures are computed, would save them",
    "N1 ": "one image does not fill the lanes, so patches of it do, and are gathered and scattered "
    "around each call. The kernels of `Network.prepared`, whose lanes are channels, took 0.7 ms "
    "for this layer where `conv` took 0.9, but want their image with the channels last",
    "N64 C1": "nine products for each number that is written: what counts is writing 6 MB that are "
    "new to the process",
    "depthwise": "56 columns are three and a half vectors, and rows come in turns of 32: of four "
    "products one is computed twice. Several images side by side would fill the vectors",
    "N4 C32": "about as fast; 13² is where transforms begin to pay",
    "": _CALL,
}
RESULTS = Path(__file__).parent / "results"
BATCH_LAST = "convq batch-last"
OURS = ("convq", BATCH_LAST)


def measure(cell: Cell) -> dict[str, Any]:
    """Time convq and all peers that can do ``cell``, after comparing what they return."""
    x, w = cell.arrays()
    calls = {"convq": convq_auto(cell, x, w)}
    expected = np.asarray(calls["convq"]()).squeeze()
    skipped = {}
    if cell.family == "net":
        calls[BATCH_LAST] = convq_batch_last(cell, x, w)
        parts = [np.moveaxis(part, -1, 0) for part in calls[BATCH_LAST]()]
        _compare(cell, BATCH_LAST, np.concatenate(parts), expected)
    for name, peer in PEERS.items():
        try:
            call = peer(cell, x, w)
            _compare(cell, name, np.asarray(call()), expected)
        except Skip as reason:
            skipped[name] = str(reason)
            continue
        calls[name] = call
    seconds = in_turn(calls)
    ours = min((name for name in seconds if name in OURS), key=seconds.__getitem__)
    best = min((name for name in seconds if name not in OURS), key=seconds.__getitem__)
    roof = roofline.measure()
    return {
        "family": cell.family,
        "cell": cell.name,
        "seconds": seconds,
        "skipped": skipped,
        "ours": ours,
        "best_peer": best,
        "ratio": seconds[best] / seconds[ours],
        # Above 1 where an algorithm needs fewer multiply-adds than the definition.
        "share_of_multiply_adds": cell.multiply_adds / seconds[ours] / roof.multiply_adds,
        "share_of_moves": 2 * x.nbytes / seconds[ours] / roof.bytes,
    }


def _compare(
    cell: Cell, name: str, got: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]
) -> None:
    difference = _difference(got.squeeze(), expected)
    if difference > 1e-2:
        raise AssertionError(f"{cell.name}: {name} differs from convq by {difference:.2g}")


def main() -> int:
    """Measure, print as it goes, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of a cell's family or name")
    arguments = parser.parse_args()
    rows = []
    for cell in all_cells():
        if arguments.only in cell.family or arguments.only in cell.name:
            row = measure(cell)
            rows.append(row)
            print(_line(row), flush=True)
    if not rows:
        print(f"no cell is called like {arguments.only!r}", file=sys.stderr)
        return 2
    if not arguments.only:
        roof = roofline.measure()
        report = {"machine": machine(), "roofline": vars(roof), "rows": rows}
        RESULTS.mkdir(exist_ok=True)
        plot_ratios(rows, RESULTS / "conv-cpu.png")
        (RESULTS / "conv-cpu.json").write_text(json.dumps(report, indent=1) + "\n")
        (RESULTS / "conv-cpu.md").write_text(_page(report))
    return 0


def _difference(got: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> float:
    # Peers round even kernels and borders their own way by one place; the middle must agree.
    window = tuple(slice(n // 4, n // 4 + max(1, n // 2)) for n in expected.shape)
    a, b = got[window].astype(float), expected[window].astype(float)
    scale = np.abs(b).max() or 1.0
    return float(np.median(np.abs(a - b)) / scale)


def _line(row: dict[str, Any]) -> str:
    ours = row["seconds"][row["ours"]] * 1e3
    theirs = row["seconds"][row["best_peer"]] * 1e3
    return (
        f"{row['cell']:<28} convq {ours:9.3f} ms   best peer {theirs:9.3f} ms "
        f"({row['best_peer']})   ratio {row['ratio']:.2f}"
    )


def _page(report: dict[str, Any]) -> str:
    about = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    lines = [
        "# convq against its peers on a CPU",
        "",
        f"{about['date']}, commit {about['commit']}, {about['cpu']}, {about['cores']} cores, "
        f"Python {about['python']}, {versions}.",
        "",
        "Medians of calls in turn, in milliseconds. The ratio is the best peer's time over "
        "convq's: above 1, convq is faster. Of nets each side's better layout counts: PyTorch's "
        "NCHW or channels_last, convq's NCHW or batch-last, which its nets use.",
        "",
        "![ratios](conv-cpu.png)",
        "",
        f"The machine does at most {report['roofline']['multiply_adds'] / 1e9:.0f} thousand "
        "million multiply-adds of float32 a second and moves "
        f"{report['roofline']['bytes'] / 1e9:.0f} GB/s (measured). The last two columns are the "
        "medians of what convq reaches of that, by the products of the definition, and by one "
        "pass over inputs and outputs: an FFT needs fewer products, and what stays in a cache "
        "moves faster.",
        "",
        "| family | cells | ratio, geometric mean | worst | cells where convq is slower "
        "| of multiply-adds | of moves |",
        "|---|---|---|---|---|---|---|",
    ]
    families = dict.fromkeys(row["family"] for row in report["rows"])
    for family in families:
        ratios = [row["ratio"] for row in report["rows"] if row["family"] == family]
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        slower = sum(ratio < 1 for ratio in ratios)
        shares = [
            statistics.median(row[share] for row in report["rows"] if row["family"] == family)
            for share in ("share_of_multiply_adds", "share_of_moves")
        ]
        lines.append(
            f"| {family} | {len(ratios)} | {mean:.2f} | {min(ratios):.2f} | {slower} "
            f"| {shares[0]:.0%} | {shares[1]:.0%} |"
        )
    columns = [*OURS, *PEERS]
    lines += ["", "| cell | " + " | ".join(columns) + " | ratio |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    for row in report["rows"]:
        times = [_milliseconds(row, name) for name in columns]
        lines.append(f"| {row['cell']} | {' | '.join(times)} | {row['ratio']:.2f} |")
    lines += _slower(report["rows"])
    skips = [skip for row in report["rows"] for skip in row["skipped"].items()]
    reasons = sorted({f"{name}: {why}" for name, why in skips})
    lines += ["", "An empty place is a peer that did not take part:", ""]
    lines += [f"- {reason}" for reason in reasons]
    return "\n".join(lines) + "\n"


def _slower(rows: list[dict[str, Any]]) -> list[str]:
    cells: dict[str, list[str]] = {}
    for row in rows:
        if row["ratio"] < 1:
            reason = next(why for part, why in REASONS.items() if part in row["cell"])
            cells.setdefault(reason, []).append(row["cell"])
    found = [f"- {', '.join(names)}: {reason}." for reason, names in cells.items()]
    return ["", "## Where convq is slower, and why", "", *found]


def _milliseconds(row: dict[str, Any], name: str) -> str:
    seconds = row["seconds"].get(name)
    return "" if seconds is None else f"{seconds * 1e3:.3g}"


if __name__ == "__main__":
    sys.exit(main())
