"""What there is and how it fares: kinds, queue, workers, health, metrics."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from api import shown, wire
from api.access import Guarded
from api.auth import Calling
from api.described import answers
from api.services import Services, Using
from core import queue
from core.errors import NotFound
from core.jobs.registry import KINDS
from core.kernels import PRESETS
from core.store.workers import Worker, idle

router = APIRouter(tags=["system"], route_class=Guarded)


@router.get(
    "/v1/kinds",
    operation_id="list_kinds",
    summary="List the kinds of jobs and the kernels that have names",
    response_model=wire.Kinds,
    responses=answers({}),
)
async def list_kinds() -> wire.Kinds:
    """List each kind with the JSON schema of its body, and each preset with its array."""
    return wire.Kinds(
        kinds=[
            wire.KindInfo(
                name=kind.name, summary=kind.summary, json_schema=kind.spec.model_json_schema()
            )
            for kind in KINDS
        ],
        presets=[wire.PresetInfo(**preset.describe()) for preset in PRESETS],
    )


@router.get(
    "/v1/queue",
    operation_id="get_queue",
    summary="See how much there is to do",
    response_model=wire.Queue,
    responses=answers({}),
)
def get_queue(services: Using, caller: Calling) -> wire.Queue:
    """Count the jobs in each state and the messages that wait for a worker.

    The jobs are those of the key's tenant. Messages tell of all tenants, so only the scope admin
    sees their number, and who the tenants are.
    """
    counts = services.jobs.counts()
    oldest = services.jobs.oldest_queued()
    return wire.Queue(
        depth=wire.Depth(queued=counts["queued"], running=counts["running"]),
        messages=queue.depth(services.redis, services.settings) if caller.is_operator else None,
        oldest_seconds=None if oldest is None else max(0.0, round(time.time() - oldest, 3)),
        counts=counts,
        paused=services.jobs.paused(),
        limits=wire.QueueLimits(
            queued=services.settings.max_queued,
            queued_of_tenant=services.settings.max_queued_of_tenant,
            batch=services.settings.max_batch,
            stored=services.settings.max_stored,
            stored_of_tenant=services.settings.max_stored_of_tenant,
        ),
        tenant=caller.tenant,
        tenants=services.statistics.tenants() if caller.is_operator else None,
    )


@router.get(
    "/v1/workers",
    operation_id="list_workers",
    summary="List the workers",
    response_model=wire.Workers,
    responses=answers({}),
)
def list_workers(services: Using, caller: Calling) -> wire.Workers:
    """List the workers that were seen in the last hour, by name.

    A worker that runs another tenant's job is shown as if it ran none, except to the scope admin.
    """
    found = services.workers.all()
    if not caller.is_operator:
        found = [_without_vitals(worker) for worker in found]
        found = [worker if _is_ours(services, worker) else idle(worker) for worker in found]
    return wire.Workers(workers=[shown.worker(worker) for worker in found])


def _without_vitals(worker: Worker) -> Worker:
    about = {name: value for name, value in worker.about.items() if name != "vitals"}
    return replace(worker, about=about)


def _is_ours(services: Services, worker: Worker) -> bool:
    if worker.running is None:
        return True
    try:
        services.jobs.get(worker.running)
    except NotFound:
        return False
    return True


@router.get(
    "/healthz",
    operation_id="get_health",
    summary="Is the process up?",
    response_model=wire.Health,
    responses=answers({}),
)
async def get_health() -> wire.Health:
    """Answer, and look at nothing else."""
    return wire.Health()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Can jobs be submitted?",
    response_model=wire.Readiness,
    responses=answers({}),
)
def get_readiness(services: Using) -> wire.Readiness:
    """Ask Redis, and write to the artifact store. Workers are told of, but not needed."""
    states = Counter(idle(worker).state for worker in services.workers.all())
    services.artifacts.check_writable()
    return wire.Readiness(workers=dict(states))


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses=answers({200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}),
)
def get_metrics(request: Request) -> Response:
    """Write the metrics of this process, and of all jobs and workers, in Prometheus' format."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(request.app.state.metrics.registry), media_type=content_type)
