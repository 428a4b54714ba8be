"""What is committed of an attempt at a job that has ended."""

from __future__ import annotations

from typing import Any, Literal

from core.jobs.run import Run
from core.store import documents
from core.store.jobs import End


def committed(
    job_id: str,
    attempt: int,
    run: Run,
    state: Literal["succeeded", "failed", "cancelled"],
    error: dict[str, Any] | None = None,
) -> End:
    """Return the end of an attempt, its documents stored.

    Parameters
    ----------
    job_id, attempt, state, error
        As in `core.store.jobs.End`.
    run : Run
        What the attempt has made.
    """
    results = documents.write(run.artifacts, {"results": run.results, "failures": run.failures})
    plan = None if run.plan is None else documents.write(run.artifacts, run.plan)
    kept = {entry["digest"] for entry in run.results}
    kept |= {text for text in (results, plan) if text and documents.is_artifact(text)}
    return End(
        job_id,
        attempt,
        state,
        progress=run.progress,
        timings=run.timings,
        results=results,
        plan=plan,
        error=error,
        artifacts=tuple(sorted(kept)),
    )


def without_results(run: Run) -> dict[str, Any] | None:
    """Return the error of a job of which nothing came; None if something did, or nothing failed."""
    if not run.failures or run.results:
        return None
    first, count = run.failures[0], len(run.failures)
    told = (
        f"{first['name']} could not be processed"
        if count == 1
        else f"none of the {count} inputs could be processed; the first, {first['name']}"
    )
    return {"code": "all_items_failed", "message": f"{told}: {first['message']}"}
