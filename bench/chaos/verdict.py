"""What was promised and what was found, job by job."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

import convq
from bench.chaos.arena import Arena
from bench.chaos.campaign import Blow, recovery
from bench.chaos.faults import MAX_ATTEMPTS
from bench.chaos.load import POISON, Accepted, digests
from core.errors import NotFound
from core.store.states import TERMINAL


def judge(
    arena: Arena, accepted: Accepted, expected: dict[str, str], blows: list[Blow]
) -> dict[str, Any]:
    """Look at every accepted job; return counts, and the ids of those that break a promise."""
    faults: dict[str, list[str]] = {
        name: [] for name in ("lost", "stuck", "twice", "failed", "wrong", "open_attempts")
    }
    states: dict[str, int] = {}
    hits = Counter(job for blow in blows for job in blow.struck)
    worn_out = 0
    outcomes: dict[str, Counter[str]] = {}
    with convq.Client(arena.stack.url) as client:
        for job_id, sort in accepted.sorts.items():
            try:
                job = arena.jobs.get(job_id)
            except NotFound:
                faults["lost"].append(job_id)
                continue
            states[job.state] = states.get(job.state, 0) + 1
            tries = arena.jobs.attempts(job_id)
            outcomes.setdefault(sort, Counter()).update(str(one.outcome) for one in tries)
            told = [e.data["state"] for e in arena.jobs.events(job_id) if e.event == "state"]
            if job.state not in TERMINAL:
                faults["stuck"].append(job_id)
            elif sum(state in TERMINAL for state in told) != 1:
                faults["twice"].append(job_id)
            if any(attempt.outcome is None for attempt in tries) and job.state in TERMINAL:
                faults["open_attempts"].append(job_id)
            if sort == POISON:
                continue
            if (job.error or {}).get("code") == "poison" and hits[job_id] >= MAX_ATTEMPTS:
                worn_out += 1
                continue
            if job.state == "failed" or (
                job.state == "cancelled" and job_id not in accepted.cancelled
            ):
                faults["failed"].append(job_id)
            if job.state == "succeeded" and digests(client, client.job(job_id)) != expected[sort]:
                faults["wrong"].append(job_id)
    ended = sum(count for state, count in states.items() if state in TERMINAL)
    return {
        "accepted": len(accepted.sorts),
        "sorts": dict(Counter(accepted.sorts.values())),
        "finished": ended,
        "states": states,
        "attempts": sum(count.total() for count in outcomes.values()),
        "outcomes": {sort: dict(count) for sort, count in sorted(outcomes.items())},
        "keys_that_made_two_jobs": len(accepted.doubled),
        "worn_out": worn_out,
        "other_answers": accepted.problems,
        "broken": {name: len(ids) for name, ids in faults.items()},
        "examples": {name: ids[:10] for name, ids in faults.items() if ids},
    }


def recoveries(arena: Arena, blows: list[Blow]) -> dict[str, dict[str, Any]]:
    """Return, for each fault, how often it struck, how many jobs, and how long they took."""
    times = {blow: [recovery(arena.jobs, blow.at, job) for job in blow.struck] for blow in blows}
    table = {"all": _row(times)}
    for name in sorted({blow.fault for blow in blows}):
        table[name] = _row({blow: mine for blow, mine in times.items() if blow.fault == name})
    return table


def _row(times: dict[Blow, list[float | None]]) -> dict[str, Any]:
    every = [seconds for mine in times.values() for seconds in mine]
    known = [seconds for seconds in every if seconds is not None]
    return {"blows": len(times)} | spread(known) | {"never": len(every) - len(known)}


def history(arena: Arena, job_id: str) -> dict[str, Any]:
    """Return how a job ended, and each attempt at it."""
    job = arena.jobs.get(job_id)
    return {
        "state": job.state,
        "code": (job.error or {}).get("code"),
        "attempts": [f"{a.worker}: {a.outcome}, {a.reason}" for a in arena.jobs.attempts(job_id)],
        "seconds": None if job.finished is None else round(job.finished - job.created, 1),
    }


def spread(seconds: list[float]) -> dict[str, Any]:
    """Return count, median, 95th percentile and maximum.

    Examples
    --------
    >>> spread([1.0, 2.0, 9.0])
    {'jobs': 3, 'p50': 2.0, 'p95': 8.3, 'max': 9.0}
    """
    if not seconds:
        return {"jobs": 0, "p50": None, "p95": None, "max": None}
    p50, p95 = np.percentile(seconds, [50, 95])
    return {
        "jobs": len(seconds),
        "p50": round(float(p50), 2),
        "p95": round(float(p95), 2),
        "max": round(max(seconds), 2),
    }
