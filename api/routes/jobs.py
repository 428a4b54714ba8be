"""Jobs: submit, read, list, cancel, retry, delete."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Header, Path, Query, Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator

from api import shown, submission, wire
from api.auth import Caller, Calling
from api.body import JobRoute
from api.described import JOB_ID, JOB_ID_PATTERN, JOB_LINKS, answers, headers
from api.gathering import Gathered
from api.parameters import known_form
from api.services import Services, Using
from core.errors import Forbidden
from core.store.jobs import JobStore
from core.store.states import TERMINAL, State
from core.store.tenants import PATTERN as TENANT_PATTERN

KEY_PATTERN = r"^[\x21-\x7e]+$"

# No tenant can be called so.
_ALL = "*"
_TENANT_OR_ALL = rf"^\{_ALL}$|{TENANT_PATTERN}"

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=JobRoute)

JobId = Annotated[
    str,
    AfterValidator(known_form(JOB_ID_PATTERN, "there is no such job", "id", JOB_ID)),
    Path(
        description="The job's id.",
        examples=[JOB_ID],
        json_schema_extra={"pattern": JOB_ID_PATTERN},
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description="wait=N: answer when the job has ended, or after N seconds (at most 60). "
        "RFC 7240: what is not understood is ignored; Preference-Applied tells what was used.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=KEY_PATTERN,
        description="1 to 255 visible ASCII characters without spaces. The same key with the same "
        "body gives the same job, for 24 hours.",
        examples=["holiday-pictures-7"],
    ),
]

_RETRY_AFTER_SECONDS = "1"
_LONGEST_WAIT_SECONDS = 60.0
_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?=$|[,;])", re.IGNORECASE)

_SUBMITTED: dict[str, Any] = {
    "model": wire.Job,
    "links": JOB_LINKS,
    "headers": headers(
        Location="Where the job is.",
        Preference_Applied="wait, if the Prefer header asked for it.",
        Idempotent_Replayed="true, if the key was used before and this is the job of then.",
    ),
}


@router.post(
    "",
    operation_id="submit_job",
    summary="Submit a job",
    status_code=202,
    response_model=wire.Job,
    responses=answers(
        {
            200: _SUBMITTED | {"description": "The job has ended within the time of Prefer: wait."},
            202: _SUBMITTED
            | {
                "description": "The job is recorded and survives any crash.",
                "headers": _SUBMITTED["headers"] | headers(Retry_After="When to look again, in s."),
            },
        },
        413,
        415,
        507,
    ),
)
async def submit_job(
    spec: Annotated[submission.JobSpec, Body()],
    response: Response,
    services: Using,
    gathering: Gathered,
    prefer: Prefer = None,
    idempotency_key: IdempotencyKey = None,
) -> wire.Job:
    """Check, plan and queue a job."""
    submitted = await gathering.submit(services, submission.Wish(spec, idempotency_key or ""))
    job = submitted.job
    if not submitted.is_new:
        response.headers["Idempotent-Replayed"] = "true"
    wait = _WAIT.search(prefer or "")
    if wait and services.watching.has_room():
        response.headers["Preference-Applied"] = "wait"
        await services.watching.wait(job.id, min(float(wait[1]), _LONGEST_WAIT_SECONDS))
        job = await run_sync(services.jobs.get, job.id)
    response.headers["Location"] = shown.job_path(job.id)
    if job.state in TERMINAL:
        response.status_code = 200
    else:
        response.headers["Retry-After"] = _RETRY_AFTER_SECONDS
    if job is submitted.job and submitted.is_new:
        return shown.with_plan(job, submitted.plan)
    return await run_sync(shown.job, services, job)


@router.head(
    "",
    operation_id="head_jobs",
    summary="Look whether there are more pages of jobs",
    response_model=wire.JobPage,
    responses=answers({200: {"headers": headers(Link="The next page (RFC 8288).")}}),
)
@router.get(
    "",
    operation_id="list_jobs",
    summary="List jobs, newest first",
    response_model=wire.JobPage,
    responses=answers({200: {"headers": headers(Link="The next page (RFC 8288).")}}),
)
def list_jobs(
    response: Response,
    services: Using,
    caller: Calling,
    state: Annotated[State | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[
        submission.KindName | None, Query(description="Only jobs of this kind.")
    ] = None,
    label: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="Only jobs with exactly this label."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs on a page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(
            pattern=JOB_ID_PATTERN,
            description="Where to go on: next of the page before.",
            examples=[JOB_ID],
        ),
    ] = None,
    tenant: Annotated[
        str | None,
        Query(
            pattern=_TENANT_OR_ALL,
            description="Only jobs of this tenant; those of the key's own if it is left out. With "
            "the scope admin any tenant, or * for all.",
            examples=["lab-7"],
        ),
    ] = None,
) -> wire.JobPage:
    """List jobs without their plans."""
    jobs = _whose(services, caller, tenant)
    page = jobs.page(state=state, kind=kind, label=label, limit=limit, cursor=cursor)
    if page.cursor:
        filters = {"state": state, "kind": kind, "label": label, "tenant": tenant}
        given = {name: value for name, value in filters.items() if value is not None}
        query = urlencode(given | {"limit": limit, "cursor": page.cursor})
        response.headers["Link"] = f'</v1/jobs?{query}>; rel="next"'
    return wire.JobPage(jobs=[shown.summary(job) for job in page.jobs], next=page.cursor)


def _whose(services: Services, caller: Caller, tenant: str | None) -> JobStore:
    """Return the jobs that are asked for, if the caller may see them."""
    if tenant in (None, caller.tenant):
        return services.jobs
    if not caller.is_operator:
        raise Forbidden(
            "only the scope admin sees other tenants' jobs",
            field="tenant",
            given=tenant,
            accepted=caller.tenant,
        )
    return services.jobs.of(None if tenant == _ALL else tenant)


@router.get(
    "/{job_id}",
    operation_id="get_job",
    summary="Read a job",
    response_model=wire.Job,
    responses=answers({}, 404),
)
def get_job(job_id: JobId, services: Using) -> wire.Job:
    """Read the state, progress, plan, attempts and timings of a job."""
    return shown.job(services, services.jobs.get(job_id))


@router.post(
    "/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    status_code=202,
    response_model=wire.Job,
    responses=answers(
        {
            200: {"model": wire.Job, "description": "The job is cancelled."},
            202: {"description": "The worker was asked to stop; the job is cancelled when it has."},
        },
        404,
        409,
    ),
)
def cancel_job(job_id: JobId, response: Response, services: Using) -> wire.Job:
    """Cancel a queued job at once, ask a running one to stop. Repeating it does no harm."""
    services.jobs.cancel(job_id)
    job = services.jobs.get(job_id)
    response.status_code = 200 if job.state in TERMINAL else 202
    return shown.job(services, job)


@router.post(
    "/{job_id}/retry",
    operation_id="retry_job",
    summary="Try a job again",
    status_code=202,
    response_model=wire.Job,
    responses=answers({202: {"description": "The job is queued again."}}, 404, 409),
)
async def retry_job(job_id: JobId, response: Response, services: Using) -> wire.Job:
    """Queue a failed or cancelled job again."""
    await run_sync(services.jobs.retry, job_id)
    await services.producer.send(await run_sync(services.jobs.missing_messages, 0))
    response.headers["Location"] = shown.job_path(job_id)
    return await run_sync(shown.job, services, await run_sync(services.jobs.get, job_id))


@router.delete(
    "/{job_id}",
    operation_id="delete_job",
    summary="Delete a job",
    status_code=204,
    response_class=Response,
    responses=answers({204: {"description": "The job is gone."}}, 404, 409),
)
def delete_job(job_id: JobId, services: Using) -> Response:
    """Delete the record of an ended job; its files go when nothing else needs them."""
    services.jobs.delete(job_id)
    # FastAPI's own empty answer would have a Content-Type.
    return Response(status_code=204)


def submit_route() -> APIRoute:
    """Return the route that takes one job."""
    return next(
        route
        for route in router.routes
        if isinstance(route, APIRoute) and route.operation_id == "submit_job"
    )
