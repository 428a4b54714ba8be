"""The edge, for a box: enrol, learn what to run, fetch it, tell how it goes, hand in results.

No path names a box: its API key does.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Depends, Path, Request, Response
from pydantic import AfterValidator

from api import conditional
from api import wire_edge as wire
from api.auth import Calling, bearer
from api.body import JobRoute
from api.content import respond
from api.described import DIGEST, DIGEST_PATTERN, answers, headers
from api.parameters import known_form
from api.routes.artifacts import CONTENT_RESPONSES, IfNoneMatch
from api.services import Using
from api.upload import check_room
from core.errors import Forbidden, NotFound
from core.store.edge import Box

router = APIRouter(prefix="/v1/edge", tags=["edge"], route_class=JobRoute)

_NOTHING = wire.Wanted(digest=None, size=None, sequence=None, name=None)
_NOT_WANTED = "this is not a bundle that this box should run"

BundleDigest = Annotated[
    str,
    AfterValidator(known_form(DIGEST_PATTERN, _NOT_WANTED, "digest", DIGEST)),
    Path(description="Of the bundle.", json_schema_extra={"pattern": DIGEST_PATTERN}),
]


def _box(request: Request, services: Using, caller: Calling) -> Box:
    """Return the box whose key was given."""
    # Where keys are off nobody has looked at it yet.
    key = caller.key or services.keys.verify(bearer(request)).id
    try:
        return services.edge.box(key)
    except NotFound:
        raise Forbidden(
            "this API key is no box's",
            field="Authorization",
            accepted="the key of a box that has enrolled: POST /v1/edge/enrol",
        ) from None


Asking = Annotated[Box, Depends(_box)]
"""The type of a route's parameter that receives the `Box` that asks."""


@router.post(
    "/enrol",
    operation_id="enrol_edge_box",
    summary="Make a box one of its group",
    response_model=wire.Enrolled,
    responses=answers({}, 413, 415),
)
def enrol_edge_box(wanted: Annotated[wire.Enrolment, Body()], services: Using) -> wire.Enrolled:
    """Give a box an API key, for a token that an operator has made.

    A token serves one box, which may repeat the request: it gets the same answer.
    """
    box = services.edge.enrol(
        wanted.token,
        wanted.group,
        digest=wanted.digest,
        name=wanted.name,
        about={"board": wanted.board},
    )
    return wire.Enrolled(box=box)


@router.get(
    "/box/release",
    operation_id="get_edge_release",
    summary="Learn what to run",
    response_model=wire.Wanted,
    responses=answers(
        {
            200: {"headers": headers(ETag="Changes with the answer.")},
            304: {"description": "The answer has not changed."},
        },
        404,
    ),
)
def get_edge_release(
    response: Response, box: Asking, services: Using, if_none_match: IfNoneMatch = None
) -> wire.Wanted | Response:
    """Say which bundle the box should run now; ask again with `If-None-Match`."""
    release = services.edge.wanted(box.id)
    etag = '"none"' if release is None else f'"{release.digest}"'
    if conditional.matches(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return _NOTHING if release is None else wire.Wanted.model_validate(vars(release))


@router.get(
    "/box/bundles/{digest}",
    operation_id="get_edge_bundle",
    summary="Fetch what to run",
    response_class=Response,
    responses=answers(CONTENT_RESPONSES, 404, 406, 416),
)
async def get_edge_bundle(
    digest: BundleDigest,
    request: Request,
    box: Asking,
    services: Using,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer with the bundle, or with the part that `Range` names."""
    release = await run_sync(services.edge.wanted, box.id)
    if release is None or release.digest != digest:
        raise NotFound(_NOT_WANTED, field="digest", given=digest)
    artifact = await run_sync(services.artifacts.get, digest)
    return await respond(services, request, artifact, f"{release.name}-{release.sequence}.convq")


@router.post(
    "/box/health",
    operation_id="report_edge_health",
    summary="Tell how a box is",
    response_model=wire.Wanted,
    responses=answers({}, 413, 415),
)
def report_edge_health(
    health: Annotated[wire.Health, Body()], box: Asking, services: Using
) -> wire.Wanted:
    """Note it; a roll-out goes on or stops. The answer says what the box should run after that."""
    proved = health.version.digest if health.version is not None and health.proved else None
    services.edge.report(
        box.id,
        health.model_dump(mode="json"),
        proved=proved,
        refused=None if health.refused is None else (health.refused.digest, health.refused.why),
    )
    release = services.edge.wanted(box.id)
    return _NOTHING if release is None else wire.Wanted.model_validate(vars(release))


@router.post(
    "/box/results",
    operation_id="deliver_edge_results",
    summary="Hand in results",
    response_model=wire.Received,
    responses=answers({}, 404, 409, 413, 415, 507),
)
def deliver_edge_results(
    delivered: Annotated[wire.Results, Body()], box: Asking, services: Using
) -> wire.Received:
    """Keep those that are new, each once however often it comes; say how many there are."""
    received = services.edge_results.take(
        services.artifacts,
        box,
        delivered.spool,
        delivered.before,
        delivered.results,
        check_room=partial(check_room, services),
    )
    return wire.Received(received=received)
