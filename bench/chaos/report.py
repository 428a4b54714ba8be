"""The report of a run, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from bench.chaos.faults import FAULTS
from bench.chaos.load import TRAINING

_WORDS = {
    "lost": "lost: accepted and unknown afterwards",
    "stuck": "stuck: not ended, though nothing was broken any more",
    "twice": "ended more than once",
    "failed": "failed, or cancelled without being asked to",
    "wrong": "with other bytes than an undisturbed run",
    "open_attempts": "ended with an attempt that never did",
}


def markdown(report: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    verdict, machine = report["verdict"], report["machine"]
    lines = [
        "# Chaos",
        "",
        f"{verdict['accepted']} jobs over HTTP while {report['kills']} processes were killed with "
        f"SIGKILL and {report['recovery']['all']['blows'] - report['kills']} other faults struck. "
        f"{report['workers']} workers, seed {report['seed']}, {report['seconds']} s, "
        f"{_settings(report['settings'])}. `make chaos` repeats it.",
        "",
        f"{machine['date']}, commit {machine['commit']}, {machine['cores']} cores of "
        f"{machine['cpu']}." + (f" {report['note']}" if report["note"] else ""),
        "",
        "| accepted jobs | |",
        "|---|---:|",
        f"| finished | {verdict['finished']} of {verdict['accepted']} |",
        *(f"| {state} | {count} |" for state, count in sorted(verdict["states"].items())),
        f"| attempts | {verdict['attempts']} |",
        *(f"| {_WORDS[name]} | {count} |" for name, count in verdict["broken"].items()),
        f"| failed as poison, having been struck three times or more | {verdict['worn_out']} |",
        f"| idempotency keys that made two jobs | {verdict['keys_that_made_two_jobs']} |",
        "",
        _trainings(verdict),
        "",
        "Recovery: seconds from a fault until a job that it struck ran again or had ended. For a "
        "job whose worker lived on, that is until its own end, or that of its piece.",
        "",
        "| fault | times | jobs struck | p50 | p95 | max | never |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *_rows(report["recovery"]),
        "",
        _poison(report["poison"]),
        "",
        f"All had ended {report['settled_after']} s after the last fault and the last submission.",
    ]
    lines += [
        f"\nNot done on this machine: {what}, {why}." for what, why in report["skipped"].items()
    ]
    return "\n".join(lines) + "\n"


def broken(report: dict[str, Any]) -> list[str]:
    """Return what the run shows to be broken."""
    verdict = report["verdict"]
    found = [f"{count} jobs {_WORDS[name]}" for name, count in verdict["broken"].items() if count]
    if verdict["keys_that_made_two_jobs"]:
        found.append(f"{verdict['keys_that_made_two_jobs']} keys made two jobs")
    if verdict["other_answers"]:
        found.append(f"answers other than 'come again': {verdict['other_answers']}")
    if (report["poison"]["state"], report["poison"]["code"]) != ("failed", "poison"):
        found.append(f"the poison job is {report['poison']['state']}")
    if report["recovery"]["all"]["never"]:
        found.append(f"{report['recovery']['all']['never']} struck jobs never ran again")
    return found


def _rows(recovery: dict[str, Any]) -> Iterable[str]:
    words = {fault.name: fault.what for fault in FAULTS} | {"all": "all"}
    for name, row in recovery.items():
        cells = ["" if row[key] is None else str(row[key]) for key in ("p50", "p95", "max")]
        counts = f"{row['blows']} | {row['jobs']}"
        yield f"| {words[name]} | {counts} | {' | '.join(cells)} | {row['never']} |"


def _trainings(verdict: dict[str, Any]) -> str:
    sorts = Counter(verdict["sorts"])
    ended = Counter(verdict["outcomes"].get(TRAINING, {}))
    struck = ended["lost"] + ended["expired"]
    return (
        f"{sorts[TRAINING]} of the jobs were trainings, in {ended.total()} pieces: "
        f"{ended['continued']} ended because their time was over, {struck} because their process "
        f"or worker was struck down, {ended['released']} because it gave them back. What they "
        "learned is compared with an undisturbed training byte by byte, like all results."
    )


def _poison(poison: dict[str, Any]) -> str:
    return (
        f"A job that kills its process each time was {poison['state']} as {poison['code']} after "
        f"{len(poison['attempts'])} attempts and {poison['seconds']} s: "
        + "; ".join(poison["attempts"])
        + "."
    )


def _settings(settings: dict[str, Any]) -> str:
    if not settings:
        return "default settings"
    return "default settings but for " + ", ".join(
        f"{name}={value}" for name, value in settings.items()
    )
