"""Artifacts: bytes go in, and come out in the form that the client accepts."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import AfterValidator

from api import shown, wire
from api.access import Guarded
from api.content import respond
from api.described import ARTIFACT_LINKS, DIGEST, DIGEST_PATTERN, answers, headers
from api.parameters import known_form
from api.services import Using
from api.upload import receive
from core.media import DECODABLE, EXTENSIONS, JSON, OCTET_STREAM

router = APIRouter(prefix="/v1/artifacts", tags=["artifacts"], route_class=Guarded)

Digest = Annotated[
    str,
    AfterValidator(
        known_form(DIGEST_PATTERN, "there is no such artifact; upload it first", "digest", DIGEST)
    ),
    Path(
        description='"sha256:" and 64 lower-case hexadecimal digits.',
        examples=[DIGEST],
        json_schema_extra={"pattern": DIGEST_PATTERN},
    ),
]
_DIGEST_HEADER = "RFC 9530; a sha-256 is verified, other algorithms are ignored."
ContentDigest = Annotated[str | None, Header(alias="Content-Digest", description=_DIGEST_HEADER)]
ReprDigest = Annotated[str | None, Header(alias="Repr-Digest", description=_DIGEST_HEADER)]
IfNoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="Entity tags that the client has.")
]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_UPLOADED: dict[str, Any] = {
    "headers": headers(Location="Where the artifact is."),
    "links": ARTIFACT_LINKS,
}
_REPRESENTATION_HEADERS = headers(
    ETag="Strong; the digest of the stored bytes and the form.",
    Cache_Control="The bytes of a digest never change.",
    Content_Disposition="A file name.",
    Convq_Shape="Of the array in the stored form: lengths, separated by commas.",
    Convq_Dtype="Of the array in the stored form.",
)
REPRESENTATIONS: dict[str, Any] = {
    "description": "The bytes.",
    "content": dict.fromkeys(EXTENSIONS, _BINARY) | {JSON: {}},
    "headers": _REPRESENTATION_HEADERS,
}
CONTENT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: REPRESENTATIONS,
    206: REPRESENTATIONS | {"description": "The part of the bytes that Range asked for."},
    304: {"description": "The client has the bytes already."},
}


@router.post(
    "",
    operation_id="upload_artifact",
    summary="Upload an artifact",
    status_code=201,
    response_model=wire.Artifact,
    responses=answers(
        {
            200: {"model": wire.Artifact, "description": "The bytes are stored already."}
            | _UPLOADED,
            201: {"description": "The bytes are stored now."} | _UPLOADED,
        },
        413,
        415,
        507,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The bytes of a file. The format is found by content.",
            "content": dict.fromkeys((OCTET_STREAM, *DECODABLE), _BINARY),
        }
    },
)
async def upload_artifact(
    request: Request,
    response: Response,
    services: Using,
    content_digest: ContentDigest = None,
    repr_digest: ReprDigest = None,
) -> wire.Artifact:
    """Store the body under its SHA-256. The same bytes are stored once."""
    artifact, is_new = await receive(services, request)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/artifacts/{artifact.digest}"
    return shown.artifact(artifact)


@router.get(
    "/{digest}",
    operation_id="get_artifact",
    summary="Fetch an artifact",
    response_class=Response,
    responses=answers(CONTENT_RESPONSES, 404, 406, 413, 416),
)
@router.head(
    "/{digest}",
    operation_id="head_artifact",
    summary="Look whether an artifact is stored",
    response_class=Response,
    responses=answers(
        {
            200: {"description": "It is stored.", "headers": _REPRESENTATION_HEADERS},
            304: CONTENT_RESPONSES[304],
        },
        404,
        406,
        413,
    ),
)
async def get_artifact(
    digest: Digest,
    request: Request,
    services: Using,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer with the stored bytes, or with what Accept prefers to them.

    Whatever holds an array can be had as a picture (`image/png`), as `application/x-npy` and as
    nested lists (`application/json`; NaN and infinities become null).
    """
    artifact = await run_sync(services.artifacts.get, digest)
    return await respond(services, request, artifact, digest.removeprefix("sha256:")[:12])
