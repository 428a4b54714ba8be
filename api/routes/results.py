"""The results of a job."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Request, Response

from api import wire
from api.access import Guarded
from api.content import respond
from api.described import answers
from api.errors import NotReady
from api.routes.artifacts import CONTENT_RESPONSES, IfNoneMatch
from api.routes.jobs import JobId
from api.services import Services, Using
from core.errors import NotFound
from core.store import documents
from core.store.states import TERMINAL

router = APIRouter(prefix="/v1/jobs", tags=["results"], route_class=Guarded)

_RETRY_AFTER_SECONDS = "1"


@router.get(
    "/{job_id}/results",
    operation_id="get_job_results",
    summary="List the results of a job",
    response_model=wire.Results,
    responses=answers(
        {
            200: {
                "links": {
                    "first": {
                        "operationId": "get_job_result",
                        "parameters": {
                            "job_id": "$request.path.job_id",
                            "name": "$response.body#/results/0/name",
                        },
                        "description": "Fetch the first result.",
                    }
                }
            }
        },
        404,
        409,
    ),
)
def get_job_results(job_id: JobId, services: Using) -> wire.Results:
    """List what an ended job made, and which of its inputs failed and why.

    Results are committed when the job ends, all at once: until then there are none.
    """
    return _results(services, job_id)


@router.get(
    "/{job_id}/results/{name}",
    operation_id="get_job_result",
    summary="Fetch a result",
    response_class=Response,
    responses=answers(CONTENT_RESPONSES, 404, 406, 409, 413, 416),
)
@router.head(
    "/{job_id}/results/{name}",
    operation_id="head_job_result",
    summary="Look at a result",
    response_class=Response,
    responses=answers(
        {
            200: {"description": "It is there.", "headers": CONTENT_RESPONSES[200]["headers"]},
            304: CONTENT_RESPONSES[304],
        },
        404,
        406,
        409,
        413,
    ),
)
async def get_job_result(
    job_id: JobId,
    name: Annotated[str, Path(description="From the list of results.")],
    request: Request,
    services: Using,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer with one result, as GET /v1/artifacts/{digest} does."""
    results = await run_sync(_results, services, job_id)
    digest = next((result.digest for result in results.results if result.name == name), None)
    if digest is None:
        raise NotFound(
            "the job has no such result",
            field="name",
            given=name,
            accepted=[result.name for result in results.results[:20]],
        )
    artifact = await run_sync(services.artifacts.get, digest)
    return await respond(services, request, artifact, name)


def _results(services: Services, job_id: str) -> wire.Results:
    job = services.jobs.get(job_id)
    if job.state not in TERMINAL:
        raise NotReady(
            "the job has not ended, so there are no results yet",
            field="state",
            given=job.state,
            accepted=sorted(TERMINAL),
            headers={"Retry-After": _RETRY_AFTER_SECONDS},
        )
    if job.results is None:  # cancelled before it ran, or lost too often
        return wire.Results(results=[], failures=[])
    return wire.Results(**documents.read(services.artifacts, job.results))
