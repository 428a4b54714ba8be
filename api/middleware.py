"""What happens around every request: headers, metrics, and the last resort for defects."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.direct import received
from api.metrics import Metrics
from api.problems import unexpected
from core import logs, spans
from core.trace import parent_of, trace_of, traceparent

log = logging.getLogger(__name__)

_SECURITY_HEADERS = {
    # Uploaded bytes are never to be taken for a page of this site.
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    # No page of another site may load what is here into its own process, or hold on to a window.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

# As nginx counts them: the client closed the request.
_CLIENT_LEFT = 499


@dataclass
class _Exchange:
    status: int = 0
    received: int = 0
    answered_at: float = 0.0


class _Traced(NamedTuple):
    trace: str
    span: str | None
    parent: str | None


class Surroundings:
    """The outermost layer of the application.

    Parameters
    ----------
    app : ASGI application
        What is surrounded.
    metrics : Metrics
        Counts the requests.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = Headers(scope=scope).get("traceparent")
        traced = _Traced(trace_of(header), spans.new_id(), parent_of(header))
        with logs.about(trace=traced.trace, span=traced.span):
            await self._serve(scope, receive, send, traced)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, traced: _Traced) -> None:
        began, start = time.time(), time.perf_counter()
        exchange = _Exchange()

        async def counting_receive() -> Message:
            message = await receive()
            exchange.received += len(message.get("body", b""))
            return message

        async def dressing_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.answered_at = time.perf_counter()
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers["traceparent"] = traceparent(traced.trace, traced.span)
            await send(message)

        try:
            await self._app(scope, counting_receive, dressing_send)
        except ClientDisconnect:
            exchange.status = exchange.status or _CLIENT_LEFT
        except Exception:
            log.exception("%s %s failed by a defect", scope["method"], scope["path"])
            if exchange.status:  # too late for a problem; the server cuts the connection
                raise
            await unexpected()(scope, receive, dressing_send)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            status = exchange.status or _CLIENT_LEFT
            seconds = (exchange.answered_at or time.perf_counter()) - start
            self._metrics.observe(
                method=scope["method"],
                route=route,
                status=status,
                seconds=seconds,
                received=exchange.received + received(scope),
            )
            spans.record(
                f"{scope['method']} {route}",
                **traced._asdict(),
                kind="server",
                start=began,
                end=time.time(),
                error=f"status {status}" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None,
                attributes={
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "http.response.status_code": status,
                },
            )
            log.log(
                _level(scope["method"], status),
                "request",
                extra={
                    "method": scope["method"],
                    "route": route,
                    "status": status,
                    "milliseconds": round(1000 * seconds, 1),
                    **_caller(scope),
                },
            )


def _caller(scope: Scope) -> dict[str, str]:
    """Return who asked, as far as that was found out: the tenant, and the id of the key."""
    caller = scope.get("state", {}).get("caller")
    fields = {} if caller is None else {"tenant": caller.tenant, "key": caller.key}
    return {name: value for name, value in fields.items() if value is not None}


def _level(method: str, status: int) -> int:
    """Return how important it is to have answered: reading is what happens all the time."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.ERROR
    is_reading = method in ("GET", "HEAD") and status < HTTPStatus.BAD_REQUEST
    return logging.DEBUG if is_reading else logging.INFO
