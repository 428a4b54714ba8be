"""Answering with an artifact: the representation that the client accepts, whole or in part."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path, PurePosixPath
from urllib.parse import quote

import anyio
import numpy as np
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api import conditional
from api.arrays import zipped
from api.errors import NotAcceptable
from api.negotiation import choose
from api.services import Services
from core.errors import TooLarge
from core.media import (
    BY_EXTENSION,
    DECODABLE,
    EXTENSIONS,
    JSON,
    MAX_JSON_VALUES,
    NPY,
    PICTURES,
    PNG,
    ZARR,
    ZIP,
    decode,
    preview,
    to_json,
    write,
)
from core.store.artifacts import Artifact, ArtifactStore

CONVERSIONS = (PNG, NPY, JSON)
"""What can be made of every artifact that holds an array."""

# Decoded in memory, beside a copy in the new form.
_MOST_BYTES = 512 << 20

_FOREVER = "private, max-age=31536000, immutable"
# How a preview looks may change with the next release.
_A_DAY = "private, max-age=86400"


@dataclass(frozen=True)
class Representation:
    """One form of an artifact, ready to be sent.

    Attributes
    ----------
    media_type, etag, size
        Of this form; ``size`` in bytes.
    data : bytes or None
        The converted bytes; None for the stored ones.
    """

    media_type: str
    etag: str
    size: int
    data: bytes | None


async def respond(services: Services, request: Request, artifact: Artifact, name: str) -> Response:
    """Return the response to a GET or HEAD of ``artifact``.

    Parameters
    ----------
    services : Services
        For the bytes.
    request : Request
        Its headers Accept, If-None-Match, Range and If-Range count.
    artifact : Artifact
        What to send.
    name : str
        File name for those who save it; the extension follows the representation.

    Raises
    ------
    NotAcceptable, RangeNotSatisfiable, TooLarge, IntegrityError
        See there.
    """
    accept = _joined(request, "accept")
    offered = _offered(artifact)
    media_type = choose(accept, offered)
    if media_type is None:
        raise NotAcceptable(
            "nothing that can be made of this artifact matches Accept",
            field="Accept",
            given=accept,
            accepted=offered,
        )
    etag = _etag(artifact, media_type)
    headers = {
        "ETag": etag,
        "Vary": "Accept",
        "Cache-Control": _FOREVER if media_type == artifact.media_type else _A_DAY,
    }
    if media_type == artifact.media_type and artifact.shape is not None:
        headers["Convq-Shape"] = ",".join(map(str, artifact.shape))
        headers["Convq-Dtype"] = str(artifact.dtype)
    if conditional.matches(_joined(request, "if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    if artifact.media_type == ZARR and media_type == ZIP:
        headers |= {"Content-Type": ZIP, "Content-Disposition": _disposition(name, ZIP)}
        if request.method == "HEAD":
            return Response(headers=headers)
        return StreamingResponse(zipped(services.artifacts, artifact.digest), headers=headers)
    sent = await _represent(services, artifact, media_type, etag)
    headers |= {
        "Content-Type": media_type,
        "Content-Disposition": _disposition(name, media_type),
        "Accept-Ranges": "bytes",
        "Content-Length": str(sent.size),
    }
    if request.method == "HEAD":  # Range is defined for GET alone
        return Response(headers=headers)
    part = conditional.requested_range(
        request.headers.get("range"), request.headers.get("if-range"), etag, sent.size
    )
    start, end = part or (0, sent.size)
    if part:
        headers["Content-Length"] = str(end - start)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{sent.size}"
    status = 206 if part else 200
    if sent.data is not None:
        return Response(sent.data[start:end], status, headers)
    pieces = await _opened(services.artifacts, artifact, start, end)
    return StreamingResponse(pieces, status, headers)


def _offered(artifact: Artifact) -> list[str]:
    """Return the media types that ``artifact`` can be had in, its own first."""
    if artifact.media_type == ZARR:
        return [ZARR, ZIP]
    others = CONVERSIONS if artifact.shape is not None and artifact.media_type in DECODABLE else ()
    return [artifact.media_type, *(other for other in others if other != artifact.media_type)]


def _etag(artifact: Artifact, media_type: str) -> str:
    form = "" if media_type == artifact.media_type else EXTENSIONS[media_type]
    return f'"{artifact.digest}{form}"'


async def _represent(
    services: Services, artifact: Artifact, media_type: str, etag: str
) -> Representation:
    if media_type == artifact.media_type:
        return Representation(media_type, etag, artifact.size, None)
    _check_convertible(artifact, media_type)
    data = await anyio.to_thread.run_sync(
        partial(_convert, services, artifact, media_type), limiter=services.conversions
    )
    return Representation(media_type, etag, len(data), data)


def _check_convertible(artifact: Artifact, media_type: str) -> None:
    assert artifact.shape is not None
    values = prod(artifact.shape)
    size = values * np.dtype(artifact.dtype).itemsize
    if size > _MOST_BYTES:
        raise TooLarge(
            "the array is too large to be converted; fetch it as it is stored",
            field="Accept",
            given=f"{size} bytes",
            accepted=f"{artifact.media_type}, or arrays of at most {_MOST_BYTES} bytes",
        )
    if media_type == JSON and values > MAX_JSON_VALUES:
        raise TooLarge(
            "the array has too many values for JSON",
            field="Accept",
            given=f"{values} values",
            accepted=f"{NPY}, or arrays of at most {MAX_JSON_VALUES} values",
        )


def _convert(services: Services, artifact: Artifact, media_type: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="convq-") as scratch:
        path = services.artifacts.fetch(artifact.digest, Path(scratch))
        decoded = decode(path, artifact.media_type, max_pixels=services.settings.max_pixels)
        if media_type == PNG:
            return preview(decoded.array)
        if media_type == JSON:
            return json.dumps(to_json(decoded.array)).encode()
        file = io.BytesIO()
        write(decoded.array, file, media_type)
        return file.getvalue()


async def _opened(
    store: ArtifactStore, artifact: Artifact, start: int, end: int
) -> AsyncIterator[bytes]:
    """Return the pieces of an artifact, the first one read, so that an error is still an answer."""
    pieces = store.stream(artifact, start, end)
    first = await anext(pieces, b"")
    return _chained(first, pieces)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _disposition(name: str, media_type: str) -> str:
    path = PurePosixPath(name)
    suffix = path.suffix if BY_EXTENSION.get(path.suffix.lower()) == media_type else ""
    stem = path.stem if path.suffix.lower() in BY_EXTENSION else name
    file_name = f"{stem}{suffix or EXTENSIONS[media_type]}"
    how = "inline" if media_type in PICTURES else "attachment"
    if file_name.isascii() and file_name.isprintable() and not set(file_name) & set('"\\%'):
        return f'{how}; filename="{file_name}"'
    return f"{how}; filename*=UTF-8''{quote(file_name, safe='')}"


def _joined(request: Request, name: str) -> str | None:
    # A list may be spread over several headers of one name (RFC 9110, section 5.3).
    return ", ".join(request.headers.getlist(name)) or None
