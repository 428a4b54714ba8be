"""The events of a job as they happen (Server-Sent Events)."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Response
from fastapi.sse import EventSourceResponse, format_sse_event
from redis.exceptions import RedisError

from api.access import Guarded
from api.described import answers
from api.routes.jobs import JobId
from api.services import Using
from api.watching import Watching
from core.errors import Unavailable
from core.store.jobs import Event
from core.store.states import TERMINAL

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=Guarded)

# Nineteen digits always fit the 64 bits of a stream id's halves.
_EVENT_ID = r"^\d{1,19}(-\d{1,19})?$"
_EXAMPLE_ID = "1795348800000-0"
_RECONNECT_MS = 2000

# Of each event, as OpenAPI 3.2 describes streams.
_EVENT_SCHEMA = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


@router.get(
    "/{job_id}/events",
    operation_id="get_job_events",
    summary="Follow a job",
    response_class=Response,
    responses=answers(
        {
            200: {
                "description": "Events with id, event (state, progress, metrics, log, cancel) and "
                "JSON data: first what has happened, then what happens. The last event has a "
                "terminal state.",
                "content": {
                    "text/event-stream": {
                        "schema": _EVENT_SCHEMA,
                        "example": "event: state\n"
                        'data: {"state": "running", "at": "2026-11-22T12:00:00+00:00"}\n'
                        f"id: {_EXAMPLE_ID}\n\n",
                    }
                },
            },
            204: {"description": "The job has ended, and all its events were seen."},
        },
        404,
    ),
)
async def get_job_events(
    job_id: JobId,
    services: Using,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            pattern=_EVENT_ID,
            description="Resume after the event of this id.",
            examples=[_EXAMPLE_ID],
        ),
    ] = None,
    after: Annotated[
        str | None,
        Query(
            pattern=_EVENT_ID,
            description="As Last-Event-ID, for who cannot set headers.",
            examples=[_EXAMPLE_ID],
        ),
    ] = None,
) -> Response:
    """Stream the events of a job until it has ended; resume with Last-Event-ID."""
    seen = last_event_id or after or "0"
    job = await run_sync(services.jobs.get, job_id)
    if job.state in TERMINAL and not await run_sync(services.jobs.events, job_id, seen):
        return Response(status_code=204)
    if not services.watching.has_room():
        raise Unavailable("too many clients wait for events now; ask again a little later")
    return EventSourceResponse(
        _encoded(services.watching, job_id, seen),
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _encoded(watching: Watching, job_id: str, after: str) -> AsyncIterator[bytes]:
    yield format_sse_event(retry=_RECONNECT_MS)
    try:
        async for event in watching.events(job_id, after):
            yield format_sse_event(comment="alive") if event is None else _event(event)
    except RedisError as error:
        # The client comes back with Last-Event-ID and misses nothing.
        log.warning("job %s: an event stream ended early: %s", job_id, error)


def _event(event: Event) -> bytes:
    data: dict[str, Any] = dict(event.data)
    if "at" in data:
        data["at"] = datetime.fromtimestamp(data["at"], UTC).isoformat()
    return format_sse_event(id=event.id, event=event.event, data_str=json.dumps(data))
