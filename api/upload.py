"""Taking an artifact in: streamed, hashed on the way, looked at by content, stored."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio
from starlette.requests import Request

from api.errors import MediaTypeMismatch
from api.services import Services
from core.errors import InvalidInput, TooLarge
from core.media import DECODABLE, JSON, OCTET_STREAM, inspect
from core.store.artifacts import Artifact

# Large enough that the change of threads costs nothing beside hashing and writing.
_PIECE = 1 << 20

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/tif": "image/tiff",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "application/zip": "application/x-npz",
    "application/x-zip-compressed": "application/x-npz",
}

# The last one is what curl sends with --data-binary when it is told nothing.
_SAYS_NOTHING = ("", OCTET_STREAM, "application/x-www-form-urlencoded")

_SHA256 = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]*):\s*(?:,|;|$)")
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
    MediaTypeMismatch
        The content contradicts the Content-Type.
    """
    most = services.settings.max_upload
    _check_size(int(request.headers.get("content-length", 0)), most)
    # Said now, and not after gigabytes were sent in vain.
    await anyio.to_thread.run_sync(services.redis.ping)
    expected = _expected_digests(request.headers)
    with services.artifacts.incoming() as path:
        digest = await _save(request, path, most)
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


async def _save(request: Request, path: Path, most: int) -> str:
    """Write the body to ``path`` and return its digest."""
    sha256 = hashlib.sha256()
    size = 0
    async with await anyio.open_file(path, "wb") as file:

        def put(data: bytes) -> None:
            sha256.update(data)
            file.wrapped.write(data)

        waiting = bytearray()
        async for chunk in request.stream():
            size += len(chunk)
            _check_size(size, most)
            waiting += chunk
            if len(waiting) >= _PIECE:
                await anyio.to_thread.run_sync(put, bytes(waiting))
                waiting.clear()
        await anyio.to_thread.run_sync(put, bytes(waiting))
    if size == 0:
        raise InvalidInput("the body is empty", field="body", accepted="the bytes of a file")
    return f"sha256:{sha256.hexdigest()}"


def _store(
    services: Services, path: Path, digest: str, content_type: str | None
) -> tuple[Artifact, bool]:
    info = inspect(path, max_pixels=services.settings.max_pixels)
    _check_media_type(content_type, info.media_type)
    return services.artifacts.commit(path, digest, info.media_type, info.shape, info.dtype)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(
            "the artifact is too large",
            field="body",
            given=f"{size} bytes",
            accepted=f"at most {most} bytes",
        )


def _check_media_type(content_type: str | None, found: str) -> None:
    given = (content_type or "").partition(";")[0].strip().lower()
    given = _ALIASES.get(given, given)
    if given in (*_SAYS_NOTHING, found):
        return
    # A type that convq does not know says nothing against bytes that it does not know either.
    if given in (*DECODABLE, JSON) or found in DECODABLE:
        raise MediaTypeMismatch(
            "the content is not of the type that Content-Type names",
            field="Content-Type",
            given=content_type,
            accepted=[found, OCTET_STREAM],
        )


def _expected_digests(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the SHA-256 that each digest header (RFC 9530) names; other algorithms are ignored."""
    expected = {}
    for header in _DIGEST_HEADERS:
        found = _SHA256.search(headers.get(header, ""))
        if found is None:
            continue
        try:
            value = base64.b64decode(found[1], validate=True)
        except binascii.Error:
            value = b""
        if len(value) != hashlib.sha256().digest_size:
            raise InvalidInput(
                "not a SHA-256",
                field=header,
                given=headers[header],
                accepted="sha-256=:base64 of 32 bytes:",
            )
        expected[header] = f"sha256:{value.hex()}"
    return expected
