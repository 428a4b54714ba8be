"""What is aimed at on a device, and whether it was reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.gpu.contenders import PEERS

Row = dict[str, Any]
Report = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """A goal, and how to ask a row of figures for it.

    Attributes
    ----------
    text : str
        For the page.
    reached : callable
        From a row and its report to whether the goal was reached; None where it is not one of the
        row, or cannot be told without a peer that did not take part.
    """

    text: str
    reached: Callable[[Row, Report], bool | None]


def ratio(row: Row) -> float | None:
    """Return the best peer's time over convq's, None where no peer took part.

    Examples
    --------
    >>> ratio({"seconds": {"convq": 2.0, "torch": 3.0, "convq direct": 1.0}})
    1.5
    """
    theirs = [seconds for name, seconds in row["seconds"].items() if name in PEERS]
    return min(theirs) / float(row["seconds"]["convq"]) if theirs else None


def floor(row: Row, report: Report) -> float:
    """Return the least seconds that every tap at every output takes on the device.

    Input and output go through its memory once, or the multiply-adds take longer; both at the speed
    that was measured in the same run.

    Examples
    --------
    >>> row = {"bytes": 8e9, "multiply_adds": 1e12}
    >>> floor(row, {"ceilings": {"copy": 2e12, "multiply_adds": 2e14}})
    0.005
    """
    most = report["ceilings"]
    return max(row["bytes"] / most["copy"], row["multiply_adds"] / most["multiply_adds"])


def _near_the_floor(row: Row, report: Report) -> bool | None:
    if row["family"] != "dense-2d" or row["kernel"] > 9:
        return None
    return bool(row["seconds"]["convq"] <= 2 * floor(row, report))


def _short_enough(row: Row, report: Report) -> bool | None:
    if (
        row["family"] != "dense-2d"
        or row["kernel"] != 31
        or "H100" not in report["machine"]["device"]
    ):
        return None
    return bool(row["seconds"]["convq"] <= 150e-6)


def _far_ahead(row: Row, report: Report) -> bool | None:
    if row["family"] != "channels-1d" or row["kernel"] != 1024 or "torch" not in row["seconds"]:
        return None
    return bool(row["seconds"]["torch"] >= 20 * row["seconds"]["convq"])


def _ahead(row: Row, report: Report) -> bool | None:
    quotient = ratio(row)
    return None if quotient is None else quotient > 1


GOALS = (
    Goal("kernels of 3 to 9 in at most twice the floor", _near_the_floor),
    Goal("a kernel of 31 in at most 150 µs on an H100", _short_enough),
    Goal("lines under a kernel of 1,024 20 times as fast as PyTorch", _far_ahead),
    Goal("ahead of every peer", _ahead),
)


def verdict(row: Row, report: Report) -> str:
    """Return ``yes`` where the row reached all its goals, else which ones it missed.

    Examples
    --------
    >>> row = {"family": "net", "seconds": {"convq": 2.0, "torch": 1.0}}
    >>> verdict(row, {})
    'no: ahead of every peer'
    >>> verdict({"family": "net", "seconds": {"convq": 2.0}}, {})
    ''
    """
    found = {goal.text: goal.reached(row, report) for goal in GOALS}
    missed = [text for text, reached in found.items() if reached is False]
    if missed:
        return f"no: {', '.join(missed)}"
    return "yes" if True in found.values() else ""


def table(report: Report) -> list[str]:
    """Return how many rows reached each goal, as lines of Markdown."""
    lines = ["| goal | reached |", "|---|---|"]
    for goal in GOALS:
        found = [goal.reached(row, report) for row in report["rows"]]
        asked = [reached for reached in found if reached is not None]
        lines.append(f"| {goal.text} | {sum(asked)} of {len(asked)} |")
    return lines
