"""Plans: how a job would be computed, without queueing it."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body

from api import submission, wire
from api.body import JobRoute
from api.described import answers
from api.services import Using

router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=JobRoute)


@router.post(
    "",
    operation_id="plan_job",
    summary="Plan a job",
    response_model=wire.PlanAnswer,
    responses=answers({}, 413, 415),
)
async def plan_job(spec: Annotated[submission.JobSpec, Body()], services: Using) -> wire.PlanAnswer:
    """Answer which algorithm would run, why, and what it would take; nothing is stored."""
    plan = await run_sync(submission.plan, services, spec, limiter=services.plans)
    return wire.PlanAnswer(plan=plan)
