"""The edge, for those who operate it: groups, tokens, roll-outs, boxes, results."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import AfterValidator

from api import wire_edge as wire
from api.auth import Calling
from api.body import JobRoute
from api.described import answers
from api.errors import ArtifactNotFound
from api.parameters import known_form
from api.services import Services, Using
from core.edge.inspection import inspect
from core.errors import IntegrityError, InvalidInput, NotFound
from core.store.edge import BOX_PATTERN, GROUP_PATTERN, Box, Group, Release, RollOut

router = APIRouter(prefix="/v1/edge", tags=["edge"], route_class=JobRoute)

_CURSOR = "^[0-9]{1,18}-[0-9]{1,18}$"

NewName = Annotated[
    str,
    Path(
        pattern=GROUP_PATTERN,
        description="Lower-case letters, digits and dashes; at most 63.",
        examples=["cameras"],
    ),
]
Name = Annotated[
    str,
    AfterValidator(known_form(GROUP_PATTERN, "there is no such group", "group", "cameras")),
    Path(description="Name of the group.", json_schema_extra={"pattern": GROUP_PATTERN}),
]
BoxId = Annotated[
    str,
    AfterValidator(known_form(BOX_PATTERN, "there is no such box", "box", "k3v9x2mwpa")),
    Path(description="Id of the box.", json_schema_extra={"pattern": BOX_PATTERN}),
]


@router.get(
    "/groups",
    operation_id="list_edge_groups",
    summary="List groups of boxes",
    response_model=wire.EdgeGroups,
    responses=answers({}),
)
def list_edge_groups(services: Using) -> wire.EdgeGroups:
    """List all groups with what they run and how the last roll-out went."""
    return wire.EdgeGroups(groups=[_group(group) for group in services.edge.groups()])


@router.get(
    "/groups/{group}",
    operation_id="get_edge_group",
    summary="Read a group",
    response_model=wire.EdgeGroup,
    responses=answers({}, 404),
)
def get_edge_group(group: Name, services: Using) -> wire.EdgeGroup:
    """Read what a group runs and how the last roll-out goes."""
    return _group(services.edge.group(group))


@router.post(
    "/groups/{group}/tokens",
    operation_id="create_edge_token",
    summary="Let a box enrol",
    status_code=201,
    response_model=wire.Token,
    responses=answers({}, 413, 415),
)
def create_edge_token(
    group: NewName, invitation: Annotated[wire.Invitation, Body()], services: Using
) -> wire.Token:
    """Make a token with which one box can enrol. The group is made with its first one."""
    return wire.Token(token=services.edge.invite(group, invitation.lasts), group=group)


@router.post(
    "/groups/{group}/rollout",
    operation_id="begin_edge_rollout",
    summary="Roll out a bundle",
    response_model=wire.EdgeGroup,
    responses=answers({}, 409, 413, 415),
)
def begin_edge_rollout(
    group: NewName, wanted: Annotated[wire.NewRollOut, Body()], services: Using
) -> wire.EdgeGroup:
    """Give a bundle to a share of the group's boxes, and to more when all of these have proved it.

    The bundle is read and its signature verified first. It takes the place of what was rolled out
    before. The same bundle again changes nothing.
    """
    release = _read_release(services, wanted.artifact)
    return _group(services.edge.roll_out(group, release, wanted.stages))


@router.post(
    "/groups/{group}/rollout/stop",
    operation_id="stop_edge_rollout",
    summary="Stop a roll-out",
    response_model=wire.EdgeGroup,
    responses=answers({}, 404, 409),
)
def stop_edge_rollout(group: Name, services: Using) -> wire.EdgeGroup:
    """Let no further box have what is rolled out; boxes that have it keep it."""
    return _group(services.edge.stop(group, "an operator stopped it"))


@router.post(
    "/groups/{group}/rollout/resume",
    operation_id="resume_edge_rollout",
    summary="Go on with a roll-out",
    response_model=wire.EdgeGroup,
    responses=answers({}, 404, 409),
)
def resume_edge_rollout(group: Name, services: Using) -> wire.EdgeGroup:
    """Go on with the next stage, whatever the boxes of this one say: one may be gone for good."""
    return _group(services.edge.resume(group))


@router.get(
    "/groups/{group}/boxes",
    operation_id="list_edge_boxes",
    summary="List the boxes of a group",
    response_model=wire.EdgeBoxes,
    responses=answers({}, 404),
)
def list_edge_boxes(group: Name, services: Using) -> wire.EdgeBoxes:
    """List boxes with their last reports, the oldest box first."""
    return wire.EdgeBoxes(boxes=[_box(box) for box in services.edge.boxes(group)])


@router.delete(
    "/boxes/{box}",
    operation_id="remove_edge_box",
    summary="Remove a box",
    status_code=204,
    response_class=Response,
    responses=answers({204: {"description": "The box is gone."}}, 404),
)
def remove_edge_box(box: BoxId, services: Using) -> Response:
    """Forget a box and its API key; what it has delivered stays."""
    services.edge.remove(box)
    return Response(status_code=204)


@router.get(
    "/groups/{group}/results",
    operation_id="list_edge_results",
    summary="List what boxes have found",
    response_model=wire.Deliveries,
    responses=answers({}, 404),
)
def list_edge_results(
    group: Name,
    services: Using,
    caller: Calling,
    limit: Annotated[int, Query(ge=1, le=200, description="Deliveries on a page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(
            pattern=_CURSOR,
            description="Where to go on: next of the page before, or the last id that was seen.",
            examples=["1763848265123-0"],
        ),
    ] = None,
) -> wire.Deliveries:
    """List deliveries of results, the oldest first; each result is in one of them, once."""
    services.edge.group(group)
    found, following = services.edge_results.page(caller.tenant, group, after=cursor, limit=limit)
    return wire.Deliveries(
        deliveries=[
            wire.Delivery(**vars(entry) | {"received": _time(entry.received)}) for entry in found
        ],
        next=following,
    )


def _read_release(services: Services, digest: str) -> Release:
    try:
        artifact = services.artifacts.get(digest)
    except NotFound as error:
        raise ArtifactNotFound(
            "there is no such artifact; upload it first",
            field="artifact",
            given=digest,
            accepted="the digest that POST /v1/artifacts answered with",
        ) from error
    with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
        path = services.artifacts.fetch(digest, FilePath(scratch))
        try:
            found = inspect(path)
        except IntegrityError as error:
            raise InvalidInput(
                "this is no bundle, or a damaged one",
                field="artifact",
                given=digest,
                accepted=error.accepted,
            ) from None
    about = found["model"]
    return Release(
        digest=digest,
        size=artifact.size,
        name=about["name"],
        sequence=about["sequence"],
        profile=found["profile"]["name"],
        key=found["key"],
        model=about.get("digest"),
        latency=found["estimate"]["seconds"],
    )


def _group(group: Group) -> wire.EdgeGroup:
    return wire.EdgeGroup(
        name=group.name,
        boxes=group.boxes,
        release=None if group.release is None else _release(group.release),
        rollout=None if group.rollout is None else _rollout(group.rollout),
        created=_time(group.created),
    )


def _release(release: Release) -> wire.Release:
    return wire.Release(**vars(release))


def _rollout(rollout: RollOut) -> wire.RollOut:
    return wire.RollOut(
        **vars(rollout) | {"release": _release(rollout.release), "began": _time(rollout.began)}
    )


def _box(box: Box) -> wire.EdgeBox:
    return wire.EdgeBox(
        id=box.id,
        group=box.group,
        name=box.name,
        board=box.about.get("board"),
        created=_time(box.created),
        seen=None if box.seen is None else _time(box.seen),
        health=box.health,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
