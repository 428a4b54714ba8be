"""Every error response is a problem document (RFC 9457) with a stable ``code``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from api.errors import HTTPError
from api.validation import faults
from core.errors import (
    AlgorithmRefused,
    Conflict,
    ConvqError,
    Forbidden,
    IntegrityError,
    InvalidInput,
    NotFound,
    RateLimited,
    StorageFull,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from core.store.files import as_full

MEDIA_TYPE = "application/problem+json"

_RETRY_AFTER_SECONDS = 2
_LONGEST_GIVEN = 200

# The most specific class that an error is an instance of decides.
_KINDS: dict[type[ConvqError], tuple[int, str]] = {
    InvalidInput: (422, "The request is not acceptable"),
    AlgorithmRefused: (422, "The algorithm cannot solve this problem"),
    Unauthenticated: (401, "An API key is needed"),
    Forbidden: (403, "Not allowed"),
    NotFound: (404, "Not found"),
    Conflict: (409, "The present state does not allow this"),
    TooLarge: (413, "Too large"),
    RateLimited: (429, "Too many requests"),
    Unavailable: (503, "A part of the service does not answer"),
    StorageFull: (507, "There is no room to store this"),
    IntegrityError: (500, "Stored data is damaged"),
}


def problem(
    status: int,
    *,
    code: str,
    title: str,
    detail: str,
    fault: Mapping[str, Any] | None = None,
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return a problem document as a response.

    Parameters
    ----------
    status : int
        HTTP status, repeated in the document.
    code : str
        Stable name of the kind of problem, for programs.
    title, detail : str
        What kind of problem it is, and what happened this time, for people.
    fault : mapping, optional
        What was wrong with the request: ``field``, ``given`` (None is null) and ``accepted``, as
        far as there is something to say.
    errors : list of dict, optional
        All faults of the request, where it has several.
    headers : dict, optional
        Further headers.
    """
    document = {
        "type": f"urn:convq:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        **_told(fault or {}),
    }
    if errors is not None:
        document["errors"] = [{"message": error["message"], **_told(error)} for error in errors]
    # Escaping everything beyond ASCII lets any given text through, lone surrogates too.
    return Response(json.dumps(document), status, headers, media_type=MEDIA_TYPE)


def _told(fault: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Callable[[Any], Any]] = {
        "field": str,
        "given": presentable,
        "accepted": accepted_as,
    }
    return {key: show(fault[key]) for key, show in shown.items() if key in fault}


def presentable(value: Any) -> Any:
    """Return a value from a request as short, valid JSON data.

    Examples
    --------
    >>> presentable("sam"), presentable(float("nan")), presentable([1, 2])
    ('sam', 'nan', '[1, 2]')
    """
    short = value is None or isinstance(value, bool)
    short = short or (isinstance(value, int) and abs(value) < 1 << 53)
    short = short or (isinstance(value, float) and math.isfinite(value))
    short = short or (isinstance(value, str) and len(value) <= _LONGEST_GIVEN)
    if short:
        return value
    is_document = isinstance(value, list | dict)
    text = json.dumps(value, ensure_ascii=False, default=str) if is_document else str(value)
    return text if len(text) <= _LONGEST_GIVEN else f"{text[: _LONGEST_GIVEN - 1]}…"


def accepted_as(value: Any) -> str | list[str]:
    """Return what is accepted as a sentence or a list of names."""
    if isinstance(value, list | tuple | set | frozenset):
        return [str(item) for item in value]
    return str(value)


def unexpected() -> Response:
    """Return the problem of a defect; what it was is for the log only."""
    return problem(
        500,
        code="internal",
        title="Internal error",
        detail="a defect in convq stopped the request; the service's log has details",
    )


def register(app: FastAPI) -> None:
    """Make ``app`` answer every error with a problem document."""
    app.add_exception_handler(ConvqError, _on_convq_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for away in (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError):
        app.add_exception_handler(away, _on_redis_away)
    app.add_exception_handler(OSError, _on_os_error)


async def _on_convq_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ConvqError)
    return of_error(error)


def of_error(error: ConvqError) -> Response:
    """Return the problem that an error of convq's own is."""
    headers = {}
    if isinstance(error, HTTPError):
        status, title, headers = error.status, error.title, error.headers
    else:
        status, title = next(
            (_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS),
            (500, "Internal error"),
        )
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
    if isinstance(error, RateLimited):
        headers = {"Retry-After": str(math.ceil(error.seconds))}
    if isinstance(error, Unauthenticated):
        headers = {"WWW-Authenticate": 'Bearer realm="convq"'}
    return problem(
        status,
        code=error.code,
        title=title,
        detail=error.message,
        # Unlike a fault of a body, an error of convq's own has None for what it does not tell.
        fault={key: value for key, value in vars(error).items() if value is not None},
        headers=headers,
    )


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return of_faults(faults(error, request.scope["route"]))


def of_faults(found: list[dict[str, Any]]) -> Response:
    """Return the problem of a request with these faults (see `api.validation.faults`)."""
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(
        422,
        code=InvalidInput.code,
        title=_KINDS[InvalidInput][1],
        detail=f"{first['field']}: {first['message']}{more}",
        fault=first,
        errors=found,
    )


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    if status == HTTPStatus.NOT_FOUND:
        return problem(
            status,
            code=NotFound.code,
            title=_KINDS[NotFound][1],
            detail="there is nothing at this path; /docs lists all paths",
            fault={"given": request.url.path},
        )
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        own = (error.headers or {}).get("Allow", "")
        allowed = sorted({*own.split(", "), *_allowed(request)})
        return problem(
            status,
            code="method_not_allowed",
            title="Method not allowed",
            detail="this path does not know this method",
            fault={"given": request.method, "accepted": allowed},
            headers={"Allow": ", ".join(allowed)},
        )
    return problem(status, code="bad_request", title=HTTPStatus(status).phrase, detail=error.detail)


def _allowed(request: Request) -> set[str]:
    """Return all methods that OpenAPI has for the path; a route by itself knows only its own."""
    paths: dict[str, Any] = request.app.openapi()["paths"]
    if request.url.path in paths:  # it may have the form of another, too
        return {method.upper() for method in paths[request.url.path]}
    return {
        method.upper()
        for template, operations in paths.items()
        if compile_path(template)[0].match(request.url.path)
        for method in operations
    }


async def _on_redis_away(request: Request, error: Exception) -> Response:
    if isinstance(error, OutOfMemoryError):
        why = "Redis has no memory left; the request may succeed once jobs have been deleted"
    else:
        why = "Redis does not answer; the request may succeed in a moment"
    return await _on_convq_error(request, Unavailable(why))


async def _on_os_error(request: Request, error: Exception) -> Response:
    full = as_full(error)
    if full is None:
        raise error
    return await _on_convq_error(request, full)
