"""Groups of boxes as tables and lines that fit 80 columns."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from convq.cli.console import text
from convq.cli.tables import facts, table
from convq.client import EdgeBox, EdgeGroup, Release, RollOut
from convq.units import age, duration

_STYLES = {"rolling": "yellow", "stopped": "red", "done": "green"}


def groups_table(groups: Iterable[EdgeGroup]) -> Table:
    """Return a line for each group."""
    made = table("GROUP", "BOXES", "RUNS", "ROLL-OUT", right=("BOXES",), wide="ROLL-OUT")
    for group in groups:
        made.add_row(
            text(group.name, "bold"),
            str(group.boxes),
            _release(group.release),
            _rollout(group.rollout),
        )
    return made


def group_view(group: EdgeGroup) -> RenderableType:
    """Return everything about a group."""
    pairs: list[tuple[str, RenderableType]] = [
        ("group", text(group.name, "bold")),
        ("boxes", text(group.boxes)),
        ("runs", _release(group.release)),
        ("roll-out", _rollout(group.rollout)),
    ]
    rollout = group.rollout
    if rollout is not None:
        pairs += [
            ("of", _release(rollout.release)),
            ("board", text(rollout.release.profile)),
            ("signed by", text(rollout.release.key)),
            ("began", text(f"{age(rollout.began)} ago")),
        ]
        if rollout.reason is not None:
            pairs.append(("because", text(rollout.reason, "red")))
    return facts(pairs)


def boxes_table(boxes: Iterable[EdgeBox]) -> Table:
    """Return a line for each box."""
    made = table("ID", "NAME", "RUNS", "P50", "WAITING", "SEEN", "PROBLEM",
                 right=("P50", "WAITING", "SEEN"), wide="PROBLEM")  # fmt: skip
    for box in boxes:
        health = box.health or {}
        version, refused = health.get("version"), health.get("refused")
        trouble = health.get("problem") or (refused or {}).get("why") or ""
        made.add_row(
            text(box.id),
            text(box.name),
            text("-" if version is None else f"{version['name']} {version['sequence']}"),
            text(duration(health["latency"]["p50"]) if health else "-"),
            text(health["spool"]["waiting"] if health else "-"),
            text(age(box.seen)),
            text(trouble, "red"),
        )
    return made


def _release(release: Release | None) -> Text:
    return text("-" if release is None else f"{release.name} {release.sequence}")


def _rollout(rollout: RollOut | None) -> Text:
    if rollout is None:
        return text("-")
    said = f"{rollout.release.name} {rollout.release.sequence}: {rollout.state}"
    if rollout.state != "done":
        said += f" at {rollout.share} %, {rollout.good} of {rollout.chosen} boxes"
    return text(said, _STYLES[rollout.state])
