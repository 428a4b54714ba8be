"""Many jobs in one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from api import problems, shown, submission, wire
from api.body import JobRoute
from api.described import answers
from api.routes.jobs import KEY_PATTERN, submit_route
from api.services import Services, Using
from api.validation import faults
from core.errors import ConvqError
from core.store.jobs import AT_ONCE

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=JobRoute)

OTHERS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "PUT"]

_SPEC: TypeAdapter[Any] = TypeAdapter(submission.JobSpec)


class BatchItem(BaseModel):
    """A job of a batch."""

    model_config = ConfigDict(extra="forbid", strict=True)

    job: Any = Field(description="As the body of POST /v1/jobs.")
    idempotency_key: str | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        pattern=KEY_PATTERN,
        description="As the header Idempotency-Key of POST /v1/jobs.",
    )


class Batch(BaseModel):
    """Jobs to be submitted together."""

    model_config = ConfigDict(extra="forbid", strict=True)

    jobs: list[BatchItem] = Field(
        min_length=1, description="The service bounds their number (CONVQ_MAX_BATCH)."
    )


@router.post(
    "/batch",
    operation_id="submit_jobs",
    summary="Submit many jobs",
    response_model=wire.BatchAnswer,
    responses=answers(
        {200: {"description": "What came of each job; those of status 202 survive any crash."}},
        413,
        415,
    ),
)
async def submit_jobs(batch: Annotated[Batch, Body()], services: Using) -> wire.BatchAnswer:
    """Check, plan and queue many jobs in one round trip, each for itself."""
    answers: list[wire.BatchJob] = []
    waking: list[asyncio.Task[None]] = []
    try:
        for first in range(0, len(batch.jobs), AT_ONCE):
            some = batch.jobs[first : first + AT_ONCE]
            found, missing = await run_sync(_submit, services, some, limiter=services.plans)
            answers += found
            # The first begin while the others are still planned.
            waking.append(asyncio.create_task(services.producer.send(missing)))
    finally:
        await asyncio.gather(*waking)
    return wire.BatchAnswer(jobs=answers)


def _submit(services: Services, items: Sequence[BatchItem]) -> tuple[list[wire.BatchJob], int]:
    found: dict[int, wire.BatchJob] = {}
    wishes: dict[int, submission.Wish] = {}
    for place, item in enumerate(items):
        try:
            spec = _SPEC.validate_python(item.job)
        except ValidationError as error:
            found[place] = _invalid(error)
        else:
            wishes[place] = submission.Wish(spec, item.idempotency_key or "")
    submitted, missing = submission.submit(services, list(wishes.values()))
    for place, outcome in zip(wishes, submitted, strict=True):
        found[place] = (
            _refused(problems.of_error(outcome).body)
            if isinstance(outcome, ConvqError)
            else wire.BatchJob(
                status=202, replayed=not outcome.is_new, job=shown.summary(outcome.job)
            )
        )
    return [found[place] for place in range(len(items))], missing


def _invalid(error: ValidationError) -> wire.BatchJob:
    """Say of a job in a batch what POST /v1/jobs would say of it."""
    errors = [details | {"loc": ("body", *details["loc"])} for details in error.errors()]
    found = faults(RequestValidationError(errors), submit_route())
    return _refused(problems.of_faults(found).body)


def _refused(body: bytes | memoryview) -> wire.BatchJob:
    problem = wire.Problem.model_validate(json.loads(bytes(body)))
    return wire.BatchJob(status=problem.status, problem=problem)


async def refuse_others(_: Request) -> Response:
    """Say that this path takes posts only: it is not the job called batch."""
    raise HTTPException(405, headers={"Allow": "POST"})
