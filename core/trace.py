"""Trace ids (W3C Trace Context, 2021): the thread through a request, its job and its workers."""

from __future__ import annotations

import re
import secrets
from typing import Final

from core import logs

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)
_FIELD: Final = "trace"


def trace_of(traceparent: str | None) -> str:
    """Return the trace id of a ``traceparent`` header, or a new one if there is none or none valid.

    Examples
    --------
    >>> trace_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    >>> len(trace_of("no trace"))
    32
    """
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else secrets.token_hex(16)


def parent_of(traceparent: str | None) -> str | None:
    """Return the id of the span that a valid ``traceparent`` header comes from.

    Examples
    --------
    >>> parent_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    'b7ad6b7169203331'
    """
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[2] if found else None


def traceparent(trace: str, span: str | None = None) -> str:
    """Return the header that names ``trace``, and what is done here: ``span``, or a new id.

    Examples
    --------
    >>> traceparent("0af7651916cd43dd8448eb211c80319c")[:36]
    '00-0af7651916cd43dd8448eb211c80319c-'
    """
    return f"00-{trace}-{span or secrets.token_hex(8)}-01"


def current() -> str | None:
    """Return the trace id that the work here belongs to, as noted with `core.logs.about`."""
    trace = logs.current().get(_FIELD)
    return None if trace is None else str(trace)


def current_span() -> str | None:
    """Return the id of the span that the work here is, where spans are on (`core.spans`)."""
    span = logs.current().get("span")
    return None if span is None else str(span)
