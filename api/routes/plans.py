"""Plans: how a job would be computed, without queueing it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body

from api import submission, wire
from api.body import StrictJSONRoute
from api.described import answers
from api.services import Using

router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=StrictJSONRoute)


@router.post(
    "",
    operation_id="plan_job",
    summary="Plan a job",
    response_model=wire.PlanAnswer,
    responses=answers({}, 413, 415, 422),
)
def plan_job(spec: Annotated[submission.JobSpec, Body()], services: Using) -> wire.PlanAnswer:
    """Answer which algorithm would run, why, and what it would take; nothing is stored."""
    return wire.PlanAnswer(plan=submission.plan(services, spec))
