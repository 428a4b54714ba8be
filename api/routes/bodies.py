"""What jobs were asked to do: the bodies with which they can be submitted again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.access import Guarded
from api.described import answers
from api.routes.jobs import JobId
from api.services import Using
from core.store import documents

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=Guarded)


@router.get(
    "/{job_id}/body",
    operation_id="get_job_body",
    summary="Read what a job was asked to do",
    responses=answers({200: {"description": "A body for POST /v1/jobs."}}, 404),
)
def get_job_body(job_id: JobId, services: Using) -> dict[str, Any]:
    """Answer with the body of the job, with all defaults, and models as the versions they meant."""
    body: dict[str, Any] = documents.read(services.artifacts, services.jobs.get(job_id).spec)
    return body
