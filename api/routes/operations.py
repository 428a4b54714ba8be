"""What operators do to a running service: hold the queue, and take a worker out of service."""

from __future__ import annotations

from anyio.to_thread import run_sync
from fastapi import APIRouter

from api import shown, wire
from api.access import Guarded
from api.auth import Calling
from api.described import answers
from api.routes.system import get_queue
from api.services import Services, Using
from core.errors import NotFound
from core.store.workers import Worker

router = APIRouter(tags=["system"], route_class=Guarded)


@router.post(
    "/v1/queue/pause",
    operation_id="pause_queue",
    summary="Let no job begin",
    response_model=wire.Queue,
    responses=answers({}),
)
def pause_queue(services: Using, caller: Calling) -> wire.Queue:
    """Accept jobs and begin none, of any tenant, until the queue is resumed; what runs goes on."""
    services.jobs.pause()
    return get_queue(services, caller)


@router.post(
    "/v1/queue/resume",
    operation_id="resume_queue",
    summary="Let jobs begin again",
    response_model=wire.Queue,
    responses=answers({}),
)
async def resume_queue(services: Using, caller: Calling) -> wire.Queue:
    """Begin jobs again."""
    await run_sync(services.jobs.resume)
    await services.producer.send(await run_sync(services.jobs.missing_messages, 0))
    return await run_sync(get_queue, services, caller)


@router.post(
    "/v1/workers/{name}/drain",
    operation_id="drain_worker",
    summary="Take a worker out of service",
    response_model=wire.Worker,
    responses=answers({}, 404),
)
def drain_worker(name: str, services: Using) -> wire.Worker:
    """Let a worker begin no job until it is resumed or started anew.

    What it runs may go on for `CONVQ_DRAIN` seconds. Then it is saved, as far as its kind can be,
    and goes back to the queue for another worker.
    """
    _find(services, name)
    services.workers.drain(name, after=services.settings.drain)
    return shown.worker(_find(services, name))


@router.post(
    "/v1/workers/{name}/resume",
    operation_id="resume_worker",
    summary="Put a worker back into service",
    response_model=wire.Worker,
    responses=answers({}, 404),
)
async def resume_worker(name: str, services: Using) -> wire.Worker:
    """Let a worker that was drained begin jobs again."""
    await run_sync(_find, services, name)
    await run_sync(services.workers.resume, name)
    await services.producer.send(await run_sync(services.jobs.missing_messages, 0))
    return shown.worker(await run_sync(_find, services, name))


def _find(services: Services, name: str) -> Worker:
    workers = services.workers.all()
    for worker in workers:
        if worker.name == name:
            return worker
    raise NotFound(
        "no worker of this name was seen in the last hour",
        field="name",
        given=name,
        accepted=[worker.name for worker in workers] or "no worker is up",
    )
