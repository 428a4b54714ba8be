"""The page that says what was measured of runtimes for boxes."""

from __future__ import annotations

from typing import Any


def page(report: dict[str, Any]) -> str:
    """Return ``bench/results/edge.md``."""
    lines = ["# Runtimes for boxes", ""]
    if "runtimes" in report:
        lines += _runtimes(report["runtimes"])
    if "precision" in report:
        lines += ["## Weights in fewer bits", "", *_precision(report["precision"]), ""]
    return "\n".join(lines)


def _runtimes(part: dict[str, Any]) -> list[str]:
    lines = [
        *_about(part["machine"]),
        "",
        "Random weights and one image at a time. Each runtime has a process of its own for each "
        f"net, in turn, {part['rounds']} times; figures are medians of these. *Cold start*: from "
        "the start of the process, Python included, to the first result. *Load*: imports and the "
        "model. *Resident*: after that. *Installed*: what must lie on the disk beside Python, "
        "NumPy included; of convq that is NumPy and the bundle. p50 and p99 are calls "
        "from Python. *Differs*: from convq's own prediction on the server, as a share of the "
        "largest output.",
        "",
        "ONNX Runtime and OpenCV read what convq exports, and ncnn what pnnx makes of it. LiteRT's "
        "own converter takes TensorFlow's models only, so `bench/edge/litert.py` writes its files. "
        "Bundles are for the profile x86: they hold machine code for AVX2 and for AVX-512.",
        "",
    ]
    for net in dict.fromkeys(row["net"] for row in part["rows"]):
        rows = [row for row in part["rows"] if row["net"] == net]
        lines += [f"## {net}", "", *_table(rows), ""]
    return [*lines, "## Goals", "", *_goals(part["rows"]), ""]


def _about(machine: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return [
        f"{machine['date']}, commit {machine['commit']}, {machine['cpu']}, one thread, "
        f"Python {machine['python']}; {versions}."
    ]


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| runtime | p50 | p99 | resident | peak | load | cold start | installed | differs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if "skipped" in row:
            lines.append(f"| {row['runtime']} | skipped: {row['skipped']} | | | | | | | |")
            continue
        lines.append(
            f"| {row['runtime']} | {row['p50'] * 1e6:.1f} us | {row['p99'] * 1e6:.1f} us "
            f"| {_mb(row['resident'])} | {_mb(row['peak'])} | {row['load'] * 1e3:.0f} ms "
            f"| {row['cold'] * 1e3:.0f} ms | {_mb(row['installed'])} | {row['difference']:.0e} |"
        )
    return lines


def _goals(rows: list[dict[str, Any]]) -> list[str]:
    """Return a line for each goal, with what was reached."""
    measured = [row for row in rows if "skipped" not in row]
    own = {row["net"]: row for row in measured if row["runtime"] == "convq"}
    others = [row for row in measured if row["runtime"] != "convq"]
    resident = max(row["resident"] for row in own.values())
    least = [own[row["net"]]["resident"] < row["resident"] for row in others]
    ratios = {
        row["net"]: own[row["net"]]["p50"] / row["p50"]
        for row in others
        if row["runtime"] == "ONNX Runtime"
    }
    slower = [net for net, ratio in ratios.items() if ratio > 1]
    cold = max(row["cold"] for row in own.values())
    said = ", ".join(f"{net} {ratio:.2f}" for net, ratio in ratios.items())
    return [
        f"- Resident memory at most 40 MB: {_mb(resident)} at most: {_verdict(resident <= 40e6)}; "
        f"below every other with the same net: {_verdict(all(least))}.",
        f"- p50 at or below that of ONNX Runtime, as a share of it: {said}: "
        f"{_verdict(not slower)}.",
        f"- Cold start below 0.5 s: {cold * 1e3:.0f} ms at most: {_verdict(cold < 0.5)}.",
    ]


def _precision(part: dict[str, Any]) -> list[str]:
    rows = part["rows"]
    boards = list(rows[0]["bytes"])
    lines = [
        *_about(part["machine"]),
        "",
        f"Trained on MNIST's training images but for {rows[0]['images']:,}, on which the bundle's "
        "answers are counted here. Sizes are of bundles for these boards; that for x86 holds "
        "machine code for two kinds of processors, as that for arm64 does.",
        "",
        f"| net | weights | as trained | as stored | points lost | {' | '.join(boards)} |",
        "|---" * (5 + len(boards)) + "|",
    ]
    for row in rows:
        lost = 100 * (row["exact"] - row["stored"])
        sizes = " | ".join(f"{row['bytes'][board] / 1e3:.1f} kB" for board in boards)
        lines.append(
            f"| {row['net']} | {row['precision']} | {100 * row['exact']:.2f} % "
            f"| {100 * row['stored']:.2f} % | {lost:.2f} | {sizes} |"
        )
    coarse = [row for row in rows if row["precision"] == "int8"]
    most = max(100 * (row["exact"] - row["stored"]) for row in coarse)
    sizes = [max(row["bytes"].values()) for row in coarse if row["net"] == "lenet5"]
    return [
        *lines,
        "",
        f"- int8 costs at most 0.5 points: {most:.2f} at most: {_verdict(most <= 0.5)}.",
        f"- LeNet-5 in int8 below 100 kB: {max(sizes) / 1e3:.1f} kB at most: "
        f"{_verdict(max(sizes) < 100e3)}.",
    ]


def _mb(count: float) -> str:
    return f"{count / 1e6:.1f} MB"


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"
