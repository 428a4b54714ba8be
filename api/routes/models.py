"""Models: register, read, point aliases, delete, download."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path as FilePath
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import AfterValidator

from api import conditional, shown_models, wire_models
from api.body import JobRoute
from api.content import respond
from api.described import answers, headers
from api.errors import ArtifactNotFound
from api.parameters import known_form
from api.routes.artifacts import CONTENT_RESPONSES, IfNoneMatch
from api.services import Services, Using
from core.errors import InvalidInput, NotFound
from core.jobs.registration import register_artifact, register_job
from core.media import ONNX, SAFETENSORS
from core.nets.model import load
from core.nets.onnx import export
from core.store.models import Version
from core.store.references import ALIAS_PATTERN, NAME_PATTERN

router = APIRouter(prefix="/v1/models", tags=["models"], route_class=JobRoute)

_NUMBER_PATTERN = "^[1-9][0-9]{0,14}$"
_SHAPE = "Letters, digits, dots, dashes and underscores; at most 64."

NewName = Annotated[str, Path(pattern=NAME_PATTERN, description=_SHAPE, examples=["digits"])]
Name = Annotated[
    str,
    AfterValidator(known_form(NAME_PATTERN, "there is no such model", "model", "digits")),
    Path(description="Name of the model.", json_schema_extra={"pattern": NAME_PATTERN}),
]
Number = Annotated[
    str,
    AfterValidator(known_form(_NUMBER_PATTERN, "there is no such version", "version", "3")),
    Path(description="Number of the version.", json_schema_extra={"pattern": _NUMBER_PATTERN}),
]
NewAlias = Annotated[
    str,
    Path(
        pattern=ALIAS_PATTERN,
        description=f"{_SHAPE} It begins with a letter; latest is taken.",
        examples=["production"],
    ),
]
Alias = Annotated[
    str,
    AfterValidator(known_form(ALIAS_PATTERN, "there is no such alias", "alias", "production")),
    Path(description="The alias.", json_schema_extra={"pattern": ALIAS_PATTERN}),
]

_VERSION_LINKS = {
    name: {
        "operationId": operation,
        "parameters": {
            "model": "$response.body#/model",
            "version": "$response.body#/version",
        },
        "description": text,
    }
    for name, operation, text in (
        ("read", "get_model_version", "Read the version."),
        ("delete", "delete_model_version", "Delete the version."),
    )
}
_REGISTERED: dict[str, Any] = {
    "model": wire_models.Version,
    "headers": headers(Location="Where the version is."),
    "links": _VERSION_LINKS,
}
_FILE_HEADERS = headers(
    ETag="Strong; of the digest of the model's file.", Content_Disposition="A file name."
)


def _file(media_type: str, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}}},
        "headers": _FILE_HEADERS,
    }


_UNCHANGED = CONTENT_RESPONSES[304]


@router.get(
    "",
    operation_id="list_models",
    summary="List models, by name",
    response_model=wire_models.ModelPage,
    responses=answers({}),
)
def list_models(
    services: Using,
    limit: Annotated[int, Query(ge=1, le=200, description="Models on a page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(
            pattern=NAME_PATTERN,
            description="Where to go on: next of the page before.",
            examples=["digits"],
        ),
    ] = None,
) -> wire_models.ModelPage:
    """List models with their aliases and the number of the newest version."""
    page = services.models.models(limit=limit, cursor=cursor)
    models = [shown_models.summary(model) for model in page.models]
    return wire_models.ModelPage(models=models, next=page.cursor)


@router.post(
    "/{model}",
    operation_id="register_model",
    summary="Register a version of a model",
    status_code=201,
    response_model=wire_models.Version,
    responses=answers(
        {
            200: _REGISTERED | {"description": "This file is a version of the model already."},
            201: _REGISTERED | {"description": "The version is recorded."},
        },
        409,
        413,
        415,
    ),
)
def register_model(
    model: NewName,
    origin: Annotated[wire_models.Origin, Body()],
    response: Response,
    services: Using,
) -> wire_models.Version:
    """Make the model of a finished job, or an uploaded model file, the next version.

    The file is read and checked first. Repeating it does no harm: the same file is the same
    version. It is kept as long as the version is, also when its job is deleted.
    """
    version, is_new = _register(services, model, origin)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = shown_models.version_path(model, version.number)
    return shown_models.version(services, version)


@router.get(
    "/{model}",
    operation_id="get_model",
    summary="Read a model and its versions",
    response_model=wire_models.Model,
    responses=answers({}, 404),
)
def get_model(
    model: Name,
    services: Using,
    limit: Annotated[int, Query(ge=1, le=200, description="Versions on a page.")] = 50,
    cursor: Annotated[
        str | None,
        Query(
            pattern=_NUMBER_PATTERN,
            description="Where to go on: next of the page before.",
            examples=["3"],
        ),
    ] = None,
) -> wire_models.Model:
    """Read the aliases and the versions of a model, newest first."""
    record = services.models.model(model)
    before = None if cursor is None else int(cursor)
    return shown_models.model(record, services.models.versions(model, limit=limit, before=before))


@router.get(
    "/{model}/versions/{version}",
    operation_id="get_model_version",
    summary="Read a version",
    response_model=wire_models.Version,
    responses=answers({}, 404),
)
def get_model_version(model: Name, version: Number, services: Using) -> wire_models.Version:
    """Read the net, metrics and lineage of a version."""
    return shown_models.version(services, services.models.version(model, int(version)))


@router.delete(
    "/{model}/versions/{version}",
    operation_id="delete_model_version",
    summary="Delete a version",
    status_code=204,
    response_class=Response,
    responses=answers({204: {"description": "The version is gone."}}, 404, 409),
)
def delete_model_version(model: Name, version: Number, services: Using) -> Response:
    """Delete a version that no alias points to; its number is not given again."""
    services.models.delete(model, int(version))
    return Response(status_code=204)


@router.get(
    "/{model}/versions/{version}/file",
    operation_id="get_model_file",
    summary="Download a version",
    response_class=Response,
    responses=answers(
        {
            200: _file(SAFETENSORS, "The model's file."),
            206: _file(SAFETENSORS, "The part of it that Range asked for."),
            304: _UNCHANGED,
        },
        404,
        406,
        416,
    ),
)
@router.head(
    "/{model}/versions/{version}/file",
    operation_id="head_model_file",
    summary="Look at the file of a version",
    response_class=Response,
    responses=answers(
        {200: {"description": "It is there.", "headers": _FILE_HEADERS}, 304: _UNCHANGED}, 404, 406
    ),
)
async def get_model_file(
    model: Name,
    version: Number,
    request: Request,
    services: Using,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer with the file of the version, as GET /v1/artifacts/{digest} does."""
    record = await run_sync(services.models.version, model, int(version))
    artifact = await run_sync(services.artifacts.get, record.digest)
    return await respond(services, request, artifact, f"{model}-{version}.safetensors")


@router.get(
    "/{model}/versions/{version}/onnx",
    operation_id="get_model_onnx",
    summary="Download a version as ONNX",
    response_class=Response,
    responses=answers({200: _file(ONNX, "An ONNX file."), 304: _UNCHANGED}, 404, 413),
)
async def get_model_onnx(
    model: Name,
    version: Number,
    services: Using,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Answer with the version as an ONNX file (operator set 20, batch-first, any batch)."""
    record = await run_sync(services.models.version, model, int(version))
    etag = f'"{record.digest}.onnx"'
    sent = {"ETag": etag}
    if conditional.matches(if_none_match, etag):
        return Response(status_code=304, headers=sent)
    data = await run_sync(partial(_onnx, services, record), limiter=services.conversions)
    sent["Content-Disposition"] = f'attachment; filename="{model}-{version}.onnx"'
    return Response(data, headers=sent, media_type=ONNX)


@router.put(
    "/{model}/aliases/{alias}",
    operation_id="set_model_alias",
    summary="Point an alias to a version",
    response_model=wire_models.ModelSummary,
    responses=answers({}, 404, 413, 415),
)
def set_model_alias(
    model: Name,
    alias: NewAlias,
    pointing: Annotated[wire_models.Pointing, Body()],
    services: Using,
) -> wire_models.ModelSummary:
    """Let the alias mean this version from now on, whatever it meant before."""
    services.models.point(model, alias, pointing.version)
    return shown_models.summary(services.models.model(model))


@router.delete(
    "/{model}/aliases/{alias}",
    operation_id="delete_model_alias",
    summary="Delete an alias",
    status_code=204,
    response_class=Response,
    responses=answers({204: {"description": "The alias is gone."}}, 404),
)
def delete_model_alias(model: Name, alias: Alias, services: Using) -> Response:
    """Delete the alias; the version that it points to stays."""
    services.models.unpoint(model, alias)
    return Response(status_code=204)


def _register(services: Services, name: str, origin: Any) -> tuple[Version, bool]:
    if isinstance(origin, wire_models.FromJob):
        try:
            return register_job(
                services.models, services.jobs, services.artifacts, name, origin.job
            )
        except NotFound as error:
            raise InvalidInput("there is no such job", field="job", given=origin.job) from error
    try:
        return register_artifact(services.models, services.artifacts, name, origin.artifact)
    except NotFound as error:
        raise ArtifactNotFound(
            "there is no such artifact; upload it first",
            field="artifact",
            given=origin.artifact,
            accepted="the digest that POST /v1/artifacts answered with",
        ) from error


def _onnx(services: Services, record: Version) -> bytes:
    with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
        return export(load(services.artifacts.fetch(record.digest, FilePath(scratch))))
