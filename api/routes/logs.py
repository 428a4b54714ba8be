"""What was logged about jobs."""

from __future__ import annotations

from fastapi import APIRouter

from api import wire
from api.access import Guarded
from api.described import answers
from api.routes.jobs import JobId
from api.services import Using

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=Guarded)


@router.get(
    "/{job_id}/logs",
    operation_id="get_job_logs",
    summary="Read what was logged about a job",
    response_model=wire.Logs,
    responses=answers({}, 404),
)
def get_job_logs(job_id: JobId, services: Using) -> wire.Logs:
    """List the last lines that workers logged about the job, oldest first.

    They are also events of the job, of type `log`, as they are written.
    """
    services.jobs.get(job_id)
    events = services.jobs.events(job_id)
    return wire.Logs(lines=[wire.LogLine(**event.data) for event in events if event.event == "log"])
