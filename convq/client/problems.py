"""The API's problems (RFC 9457) as the exceptions of `core.errors`."""

from __future__ import annotations

import json
from typing import Any

import httpx

from core.errors import (
    Conflict,
    ConvqError,
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)


def _by_code(base: type[ConvqError]) -> dict[str, type[ConvqError]]:
    found = {base.code: base}
    for child in base.__subclasses__():
        # A process that also holds the API knows errors that other clients do not.
        if child.__module__ == base.__module__:
            # A code that several share is that of the first.
            found = _by_code(child) | found
    return found


_ERRORS = _by_code(ConvqError)
# For the codes that only the API has, and for proxies, which have none.
_BY_STATUS: dict[int, type[ConvqError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: UnsupportedMedia,
    422: InvalidInput,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


class _Shown(str):
    """A value that the service has already made readable: shown as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def raise_for_problem(response: httpx.Response) -> None:
    """Raise the exception that an unsuccessful answer stands for.

    Parameters
    ----------
    response : httpx.Response
        An answer whose body has been read.

    Raises
    ------
    ConvqError
        The subclass whose ``code`` the problem names, or that comes nearest to the HTTP status.
        With neither, a plain `ConvqError` that states the status.

    Examples
    --------
    >>> problem = {"status": 404, "code": "not_found", "detail": "no such job"}
    >>> raise_for_problem(httpx.Response(404, json=problem))
    Traceback (most recent call last):
    core.errors.NotFound: no such job
    """
    if response.is_success:
        return
    # Without a problem it is not the service that answers: a proxy, perhaps, in its own words.
    words = " ".join(response.text[:200].split()) or response.reason_phrase
    raise error_of(response.status_code, _problem(response), words)


def error_of(status: int, problem: dict[str, Any], words: str = "") -> ConvqError:
    """Return the exception that a problem stands for.

    Parameters
    ----------
    status : int
        Of the answer.
    problem : dict
        The document; empty where there was none.
    words : str
        What was answered instead.

    Examples
    --------
    >>> error_of(404, {"code": "not_found", "detail": "no such job"})
    NotFound('no such job')
    """
    text = _text(problem) or words
    kind = _ERRORS.get(str(problem.get("code"))) or _BY_STATUS.get(status)
    if kind is None or not problem:
        text = f"HTTP {status}: {text}"
    return (kind or ConvqError)(
        text,
        field=problem.get("field"),
        given=_shown(problem.get("given")),
        accepted=problem.get("accepted"),
    )


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _text(problem: dict[str, Any]) -> str:
    faults = problem.get("errors") or []
    if not faults:
        return str(problem.get("detail") or problem.get("title") or "")
    others = [f"{fault.get('field')}: {fault.get('message')}" for fault in faults[1:]]
    return "; also ".join([str(faults[0].get("message")), *others])


def _shown(given: Any) -> Any:
    if given is None:
        return None
    return _Shown(given if isinstance(given, str) else json.dumps(given))
