"""The edge, for a box: jobs that are addressed to its group, from claim to commit.

They are claimed, renewed, finished and released as workers do it with theirs: by the same scripts,
under a lease, and only by the attempt that owns the job.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Path, Request, Response
from pydantic import AfterValidator

from api import wire_edge_jobs as wire
from api.body import JobRoute
from api.content import respond
from api.described import DIGEST, DIGEST_PATTERN, answers
from api.parameters import known_form
from api.routes.artifacts import CONTENT_RESPONSES
from api.routes.edge_box import Asking
from api.routes.jobs import JobId
from api.services import Services, Using
from api.upload import check_room
from core.conv.device import cpu
from core.errors import Conflict, NotFound
from core.jobs.ending import committed, without_results
from core.jobs.inputs import digests
from core.jobs.predict import PredictSpec, receive
from core.jobs.run import Run
from core.store import documents
from core.store.edge import Box
from core.store.jobs import Boxes, Job, Progress
from core.store.states import TERMINAL

router = APIRouter(prefix="/v1/edge/box/jobs", tags=["edge"], route_class=JobRoute)

_NO_INPUT = "this is no input of the job"

InputDigest = Annotated[
    str,
    AfterValidator(known_form(DIGEST_PATTERN, _NO_INPUT, "digest", DIGEST)),
    Path(description="Of the input.", json_schema_extra={"pattern": DIGEST_PATTERN}),
]


@router.post(
    "",
    operation_id="claim_edge_job",
    summary="Claim a job",
    response_model=wire.Claimed,
    responses=answers({}, 413, 415),
)
async def claim_edge_job(
    ready: Annotated[wire.Ready, Body()], box: Asking, services: Using
) -> wire.Claimed:
    """Give the box the best job that is addressed to its group, or wait until there is one.

    A box that runs another bundle than it should gets none, and is told so at once.
    """
    over = anyio.current_time() + ready.wait
    boxes = await run_sync(_boxes, services, box, ready)
    if boxes is None:
        return wire.Claimed(job=None)
    bell = services.edge.bell_key(box.group)
    heard = await services.watching.last(bell)
    while True:
        job = await run_sync(_claim, services, box, ready, boxes)
        if job is not None:
            return wire.Claimed(job=await run_sync(_told, services, job))
        left = over - anyio.current_time()
        if left <= 0 or not services.watching.has_room():
            return wire.Claimed(job=None)
        heard = await services.watching.grown(bell, heard, left)


@router.get(
    "/{job_id}/inputs/{digest}",
    operation_id="get_edge_input",
    summary="Fetch an input",
    response_class=Response,
    responses=answers(CONTENT_RESPONSES, 404, 406, 409, 416),
)
async def get_edge_input(
    job_id: JobId, digest: InputDigest, request: Request, box: Asking, services: Using
) -> Response:
    """Answer with the bytes of an input of a job that the box has claimed."""
    await run_sync(_owned, services, box, job_id)
    if not await run_sync(services.jobs.refers, job_id, digest):
        raise NotFound(_NO_INPUT, field="digest", given=digest)
    artifact = await run_sync(services.artifacts.get, digest)
    return await respond(services, request, artifact, digest.partition(":")[2][:12])


@router.post(
    "/{job_id}/renew",
    operation_id="renew_edge_job",
    summary="Keep a job",
    response_model=wire.Asked,
    responses=answers({}, 404, 413, 415),
)
def renew_edge_job(
    job_id: JobId, renewal: Annotated[wire.Renewal, Body()], box: Asking, services: Using
) -> wire.Asked:
    """Renew the claim, note how far the box is, and say what is asked of it."""
    job = services.jobs.get(job_id)
    if job.worker != box.worker:
        return wire.Asked(asked="lost")
    total = job.progress.total
    progress = Progress(done=min(renewal.done, total), total=total, stage="run")
    asked = services.jobs.renew(
        job_id,
        renewal.attempt,
        lease=services.settings.edge_lease,
        progress=None if progress == job.progress else progress,
    )
    return wire.Asked(asked=asked)


@router.post(
    "/{job_id}/finish",
    operation_id="finish_edge_job",
    summary="Hand in what came of a job",
    response_model=wire.Ended,
    responses=answers({}, 404, 409, 413, 415, 507),
)
def finish_edge_job(
    job_id: JobId, end: Annotated[wire.EdgeEnd, Body()], box: Asking, services: Using
) -> wire.Ended:
    """Make results of what the box says and commit them, if its claim still holds.

    Who repeats the request because its answer was lost gets that answer.
    """
    job = services.jobs.get(job_id)
    if job.state in TERMINAL and (job.worker, job.attempt) == (box.worker, end.attempt):
        return wire.Ended(state=job.state)
    job = _owned(services, box, job_id, end.attempt)
    with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
        run = Run(
            artifacts=services.artifacts,
            device=cpu(),
            memory_cap=services.settings.memory_cap,
            scratch=FilePath(scratch),
            total=job.progress.total,
            check_room=partial(check_room, services),
        )
        run.timings |= {"load": end.load, "run": end.run}
        receive(_spec_of(services, job), [part.said for part in end.results], run)
        error = without_results(run)
        ended = committed(
            job.id, end.attempt, run, "succeeded" if error is None else "failed", error
        )
        (done,), _ = services.jobs.finish_many([ended])
        if not done:
            raise _lost(end.attempt)
    return wire.Ended(state=ended.state)


@router.post(
    "/{job_id}/release",
    operation_id="release_edge_job",
    summary="Give a job back",
    response_model=wire.Released,
    responses=answers({}, 404, 413, 415),
)
def release_edge_job(
    job_id: JobId, release: Annotated[wire.Release, Body()], box: Asking, services: Using
) -> wire.Released:
    """Queue the job again; one that is to be cancelled is cancelled now."""
    if services.jobs.get(job_id).worker != box.worker:
        return wire.Released(released=False)
    done = services.jobs.release(job_id, release.attempt, release.reason)
    return wire.Released(released=done)


def _boxes(services: Services, box: Box, ready: wire.Ready) -> Boxes | None:
    """Return which boxes the box is one of; None if it runs another bundle than it should."""
    services.edge.supersede(box.group)
    release = services.edge.wanted(box.id)
    if release is None or release.model is None or release.digest != ready.release:
        return None
    return Boxes(box.group, release.model)


def _claim(services: Services, box: Box, ready: wire.Ready, boxes: Boxes) -> Job | None:
    claimed = services.jobs.claim(
        worker=box.worker,
        pid=ready.pid,
        host=box.name,
        lease=services.settings.edge_lease,
        token=ready.token,
        patience=services.settings.patience,
        boxes=boxes,
    )
    return claimed[0] if claimed else None


def _told(services: Services, job: Job) -> wire.EdgeJob:
    wanted = digests(_spec_of(services, job).inputs)
    known = services.artifacts.find(sorted(set(wanted)))
    return wire.EdgeJob(
        id=job.id,
        attempt=job.attempt,
        lease=services.settings.edge_lease,
        inputs=[wire.EdgeInput(artifact=digest, size=known[digest].size) for digest in wanted],
    )


def _spec_of(services: Services, job: Job) -> PredictSpec:
    return PredictSpec.model_validate(documents.read(services.artifacts, job.spec))


def _owned(services: Services, box: Box, job_id: str, attempt: int | None = None) -> Job:
    """Return a job that the box runs, or raise `Conflict`."""
    job = services.jobs.get(job_id)
    is_its = job.state == "running" and job.worker == box.worker
    if not is_its or attempt not in (None, job.attempt):
        raise _lost(attempt)
    return job


def _lost(attempt: int | None) -> Conflict:
    return Conflict(
        "the claim was lost: the job has ended, or is another attempt's now",
        field="attempt",
        given=attempt,
    )
