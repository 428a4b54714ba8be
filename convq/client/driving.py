"""What both clients need to perform effects with HTTPX."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import httpx

from convq import __version__
from convq.client.flow import Request
from core.errors import ConvqError, InvalidInput, Unavailable

DEFAULT_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 30.0


def service_url(url: str | None) -> str:
    """Return the address of the service: given, from ``CONVQ_URL``, or the local default."""
    chosen = (url or os.environ.get("CONVQ_URL") or DEFAULT_URL).rstrip("/")
    try:
        parts = httpx.URL(chosen)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    if parts.scheme not in ("http", "https") or not parts.host:
        raise InvalidInput("this is no address", field="url", given=chosen, accepted=DEFAULT_URL)
    return chosen


def http_options(url: str, api_key: str | None, timeout: float) -> dict[str, Any]:
    """Return the keyword arguments that both of HTTPX's clients get.

    The key is the given one, else that of ``CONVQ_API_KEY``, if any.

    Raises
    ------
    InvalidInput
        If the key has characters that no key has, such as a line's end.
    """
    headers = {"User-Agent": f"convq/{__version__}"}
    chosen = api_key or os.environ.get("CONVQ_API_KEY")
    if chosen:
        # What is wrong with it is said without showing it.
        if not (chosen.isascii() and chosen.isprintable() and " " not in chosen):
            raise InvalidInput("this is no API key", field="api_key", accepted="convq_…")
        headers["Authorization"] = f"Bearer {chosen}"
    return {"base_url": url, "timeout": timeout, "headers": headers}


def request_options(request: Request) -> dict[str, Any]:
    """Return the keyword arguments of ``build_request``, without the streamed body."""
    options: dict[str, Any] = {
        "method": request.method,
        "url": request.path,
        "params": request.params,
        "headers": request.headers,
    }
    if request.json is not None:
        options["json"] = request.json
    if request.timeout is not None:
        options["timeout"] = request.timeout
    return options


def counted(request: Request) -> Iterator[bytes]:
    """Iterate over a request's streamed body, telling how far it is."""
    assert request.chunks is not None
    sent = 0
    for chunk in request.chunks():
        yield chunk
        sent += len(chunk)
        if request.on_sent is not None:
            request.on_sent(sent)


def connection_error(url: str, error: httpx.HTTPError) -> ConvqError:
    """Return HTTPX's error as one that says which service and what to do."""
    if isinstance(error, httpx.TimeoutException):
        what = "did not answer in time"
    elif isinstance(error, httpx.ConnectError):
        what = "cannot be reached"
    else:
        what = f"broke off the connection ({error or type(error).__name__})"
    return Unavailable(
        f"the convq service at {url} {what}; start one with 'convq serve', "
        "or name another with --url, Client(url=...) or CONVQ_URL"
    )
