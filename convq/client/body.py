"""Reading the body of an answer: a large one past HTTPX's parser, which copies what it reads.

HTTPX reads 64 KiB at a time and looks for the end of the body in them. Where the answer says how
long its body is, what follows the first of it can be read from the connection as it comes. The
connection is closed afterwards: its parser does not know that the body is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpcore
import httpx

# What is smaller is not worth a new connection.
_LARGE: Final = 8 << 20
_READ: Final = 1 << 20


def chunks(response: httpx.Response) -> Iterator[bytes]:
    """Yield the body of an answer of a blocking client."""
    parsed = response.iter_bytes()
    if not _is_plain(response):
        yield from parsed
        return
    # With it the parser gives away all that it has.
    first = next(parsed)
    yield first
    left = _size(response) - len(first)
    while left:
        with _http_errors():
            chunk = _connection(response).read(min(left, _READ), _timeout(response))
        left -= len(_whole(chunk))
        yield chunk


async def achunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the body of an answer of an asynchronous client."""
    parsed = response.aiter_bytes()
    if not _is_plain(response):
        async for chunk in parsed:
            yield chunk
        return
    first = await anext(parsed)
    yield first
    left = _size(response) - len(first)
    while left:
        with _http_errors():
            chunk = await _connection(response).read(min(left, _READ), _timeout(response))
        left -= len(_whole(chunk))
        yield chunk


def _is_plain(response: httpx.Response) -> bool:
    """Tell whether the rest of the connection is a large body, byte by byte."""
    return (
        response.extensions.get("http_version") == b"HTTP/1.1"
        and "network_stream" in response.extensions
        and "Content-Encoding" not in response.headers
        and "Transfer-Encoding" not in response.headers
        and _size(response) >= _LARGE
    )


def _size(response: httpx.Response) -> int:
    return int(response.headers.get("Content-Length", 0))


def _connection(response: httpx.Response) -> Any:
    return response.extensions["network_stream"]


def _timeout(response: httpx.Response) -> float | None:
    timeouts: dict[str, float | None] = response.request.extensions["timeout"]
    return timeouts["read"]


def _whole(chunk: bytes) -> bytes:
    if not chunk:
        raise httpx.RemoteProtocolError("the body ended too soon")
    return chunk


@contextmanager
def _http_errors() -> Iterator[None]:
    """Raise HTTPX's errors in place of those of its connections."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.ReadTimeout(str(error)) from error
    except httpcore.NetworkError as error:
        raise httpx.ReadError(str(error)) from error
