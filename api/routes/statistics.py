"""How the service fares, and how it has fared."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query

from api import wire_statistics as wire
from api.access import Guarded
from api.auth import Calling
from api.described import answers
from api.routes.system import list_workers
from api.services import Using
from core.store.history import WINDOWS, Tally, Window, total
from core.store.workers import WorkerState

router = APIRouter(tags=["system"], route_class=Guarded)

# Whole minutes that count as recent, beside the one that is not over.
_RECENT = 5


@router.get(
    "/v1/stats",
    operation_id="get_stats",
    summary="See how the service fares",
    response_model=wire.Stats,
    responses=answers({}),
)
def get_stats(services: Using, caller: Calling) -> wire.Stats:
    """Count what is to be done by priority, what was done lately, and who does it.

    The jobs are those of the key's tenant. Nothing is estimated but percentiles, and nothing is
    remembered: the answer is how it is now.
    """
    lines = services.statistics.lines(caller.tenant)
    now, points = services.statistics.past(caller.tenant, "hour", last=_RECENT + 1)
    counts = services.jobs.counts()
    workers = Counter(worker.state for worker in list_workers(services, caller).workers)
    ages = [None if line.since is None else max(0.0, round(now - line.since, 3)) for line in lines]
    return wire.Stats(
        at=_when(now),
        paused=services.jobs.paused(),
        ready=sum(line.ready for line in lines),
        running=sum(line.running for line in lines),
        delayed=sum(line.delayed for line in lines),
        dead=counts["failed"],
        oldest_seconds=max((age for age in ages if age is not None), default=None),
        priorities={
            line.priority: wire.Line(
                ready=line.ready, running=line.running, delayed=line.delayed, oldest_seconds=age
            )
            for line, age in zip(lines, ages, strict=True)
        },
        recent=wire.Past(**_past(total(points), now - points[0].at)),
        workers={state: workers[state] for state in get_args(WorkerState)},
    )


@router.get(
    "/v1/stats/history",
    operation_id="get_history",
    summary="See how the service has fared",
    response_model=wire.History,
    responses=answers({}),
)
def get_history(
    services: Using,
    caller: Calling,
    window: Annotated[Window, Query(description="How far back.")] = "hour",
) -> wire.History:
    """Tell what happened to the tenant's jobs: an hour in minutes, a day in tens, a week in hours.

    Jobs that have been deleted meanwhile are still counted.
    """
    steps = WINDOWS[window]
    now, points = services.statistics.past(caller.tenant, window)
    return wire.History(
        window=window,
        step_seconds=steps.seconds,
        total=wire.Past(**_past(total(points), now - points[0].at)),
        points=[
            wire.PastPoint(
                at=_when(point.at), **_past(point.tally, min(steps.seconds, now - point.at))
            )
            for point in points
        ],
    )


@router.get(
    "/v1/stats/plans",
    operation_id="get_plan_figures",
    summary="See how good plans were",
    response_model=wire.Plans,
    responses=answers({}),
)
def get_plan_figures(services: Using) -> wire.Plans:
    """Compare what was planned with what it took, since the service exists, of all tenants."""
    return wire.Plans(
        algorithms=[
            wire.PlanFigures(
                algorithm=one.algorithm,
                inputs=one.inputs,
                seconds=wire.Percentiles(**_named(one.seconds)),
                overrun=wire.Ratios(**_named(one.overrun)),
                regret=wire.Ratios(**_named(one.regret)),
            )
            for one in services.statistics.plans()
        ]
    )


def _named(shares: list[float | None]) -> dict[str, float | None]:
    return dict(zip(("p50", "p90", "p99"), shares, strict=True))


def _past(tally: Tally, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 3),
        "submitted": tally.submitted,
        "succeeded": tally.succeeded,
        "failed": tally.failed,
        "cancelled": tally.cancelled,
        # In the first moment of a minute there is no rate yet.
        "per_minute": round(60 * tally.ended / max(seconds, 1), 3),
        "waited": tally.waited._asdict(),
        "ran": tally.ran._asdict(),
    }


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
