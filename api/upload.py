"""Taking an artifact in: streamed, hashed on the way, looked at by content, stored."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio
from starlette.datastructures import Headers
from starlette.requests import Request

from api.arrays import store_listing
from api.content_coding import refuse_coded
from api.direct import take_over
from api.errors import MediaTypeMismatch
from api.receiving import pieces, pour
from api.services import Services
from core.errors import InvalidInput, TooLarge, UnsupportedMedia
from core.media import DECODABLE, JSON, NPZ, OCTET_STREAM, ZARR, ZIP, inspect
from core.store.artifacts import Artifact
from core.store.hashed import HashedFile

_HOW = "the bytes of the file itself, as curl sends them with --data-binary @file"

# Large enough that the change of threads costs nothing beside hashing and writing.
_PIECE = 1 << 20
# Of a client that sends a few bytes at a time.
_MOST_CHUNKS = 1 << 10

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/tif": "image/tiff",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "application/x-zip-compressed": "application/zip",
}

# The last one is what curl sends with --data-binary when it is told nothing.
_SAYS_NOTHING = ("", OCTET_STREAM, "application/x-www-form-urlencoded")

# A dictionary of byte sequences (RFC 8941): algorithm=:base64:, with parameters that mean nothing.
_MEMBER = re.compile(r"\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):(?:;[^,]*)?\s*")
_ALGORITHM = "sha-256"
_DIGEST_FORM = (
    "sha-256=:base64 of 32 bytes:, "
    "for example sha-256=:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=:"
)
_DIGEST_HEADERS = ("Content-Digest", "Repr-Digest")


async def receive(services: Services, request: Request) -> tuple[Artifact, bool]:
    """Store the body of ``request``; return its artifact and whether it is new.

    Memory does not grow with the body. A client that goes away leaves nothing behind.

    Raises
    ------
    TooLarge
        The body, or the picture in it, is larger than allowed.
    InvalidInput
        The body is empty, or is not what its digest header says.
    UnsupportedMedia
        The format is known but the file is damaged.
    Stalled
        The client fell silent.
    StorageFull
        The disk takes no more, or as much is stored as may be.
    MediaTypeMismatch
        The content contradicts the Content-Type, or the file is wrapped in a form or compressed.
    """
    refuse_coded(request.headers)
    _refuse_form(request.headers.get("content-type"))
    most = services.settings.max_upload
    size = int(request.headers.get("content-length", 0))
    _check_size(size, most)
    # Said now, and not after gigabytes were sent in vain.
    await anyio.to_thread.run_sync(check_room, services, size)
    expected = _expected_digests(request.headers)
    with services.artifacts.incoming() as path:
        digest = await _save(services, request, path, most)
        for header, value in expected.items():
            if value != digest:
                raise InvalidInput(
                    "the body is not the one that was digested; send it again",
                    field=header,
                    given=value,
                    accepted=digest,
                )
        return await anyio.to_thread.run_sync(
            partial(_store, services, path, digest, request.headers.get("content-type"))
        )


async def _save(services: Services, request: Request, path: Path, most: int) -> str:
    """Write the body to ``path`` and return its digest."""
    with await anyio.to_thread.run_sync(io.FileIO, path, "wb") as raw:
        file = HashedFile(raw)
        # Its size is known, and small enough.
        body = take_over(request.scope)
        if body is None:
            await _save_pieces(request, file, most)
        else:
            with closing(body):
                await anyio.to_thread.run_sync(file.write, body.begun)
                await pour(services, body, file.write)
    if file.size == 0:
        raise InvalidInput("the body is empty", field="body", given="0 bytes", accepted=_HOW)
    return file.digest()


async def _save_pieces(request: Request, file: HashedFile, most: int) -> None:
    """Write the body as it comes from the event loop."""

    def put(chunks: list[bytes]) -> None:
        file.write(b"".join(chunks))

    waiting: list[bytes] = []
    size = length = 0
    # One piece is hashed and written while the next one arrives.
    putting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    putting.set_result(None)
    try:
        async for chunk in pieces(request):
            size += len(chunk)
            _check_size(size, most)
            waiting.append(chunk)
            length += len(chunk)
            if length >= _PIECE or len(waiting) >= _MOST_CHUNKS:
                await putting
                putting = asyncio.ensure_future(anyio.to_thread.run_sync(put, waiting))
                waiting, length = [], 0
    finally:
        await putting
    await anyio.to_thread.run_sync(put, waiting)


def _store(
    services: Services, path: Path, digest: str, content_type: str | None
) -> tuple[Artifact, bool]:
    try:
        info = inspect(path, max_pixels=services.settings.max_pixels)
    except (UnsupportedMedia, TooLarge) as error:
        # The readers of files know nothing of requests.
        error.field = error.field or "body"
        error.given = error.given or f"{path.stat().st_size} bytes"
        error.accepted = error.accepted or "a whole, undamaged file"
        raise
    _check_media_type(content_type, info.media_type)
    check_room(services, path.stat().st_size)
    if info.media_type == ZARR:
        return store_listing(services, path, digest)
    return services.artifacts.commit(path, digest, info.media_type, info.shape, info.dtype)


def check_room(services: Services, size: int) -> None:
    """Return if so many bytes more may be stored, or raise `StorageFull`."""
    settings = services.settings
    services.artifacts.check_room(size, settings.max_stored, settings.max_stored_of_tenant)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(
            "the artifact is too large",
            field="body",
            given=f"{size} bytes",
            accepted=f"at most {most} bytes",
        )


def _refuse_form(content_type: str | None) -> None:
    # Its boundaries and headers would be stored with the file, under a digest that nobody expects.
    if _media_type(content_type) == "multipart/form-data":
        raise MediaTypeMismatch(
            "a file is uploaded by itself and not in a form",
            field="Content-Type",
            given=content_type,
            accepted=_HOW,
        )


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _check_media_type(content_type: str | None, found: str) -> None:
    given = _media_type(content_type)
    given = _ALIASES.get(given, given)
    if given in (*_SAYS_NOTHING, found):
        return
    if given == ZIP and found == NPZ:  # It is one.
        return
    # A type that convq does not know says nothing against bytes that it does not know either.
    if given in (*DECODABLE, JSON, ZIP) or found in DECODABLE:
        raise MediaTypeMismatch(
            "the content is not of the type that Content-Type names",
            field="Content-Type",
            given=content_type,
            accepted=[found, OCTET_STREAM],
        )


def _expected_digests(headers: Headers) -> dict[str, str]:
    """Return the SHA-256 that each digest header (RFC 9530) names; other algorithms are ignored."""
    expected = {}
    for header in _DIGEST_HEADERS:
        # A list may be spread over several headers of one name (RFC 9110, section 5.3).
        given = ", ".join(headers.getlist(header))
        try:
            digests = _digests(given)
        except ValueError:
            raise InvalidInput(
                "no digest as RFC 9530 writes it", field=header, given=given, accepted=_DIGEST_FORM
            ) from None
        if _ALGORITHM in digests:
            expected[header] = f"sha256:{digests[_ALGORITHM].hex()}"
    return expected


def _digests(header: str) -> dict[str, bytes]:
    """Return the digests in a header by algorithm, or raise ValueError."""
    digests = {}
    for member in header.split(",") if header.strip() else ():
        found = _MEMBER.fullmatch(member)
        if found is None:
            raise ValueError(member)
        digests[found[1]] = base64.b64decode(found[2], validate=True)
    size = hashlib.sha256().digest_size
    if len(digests.get(_ALGORITHM, bytes(size))) != size:
        raise ValueError(header)
    return digests
