"""Spans for OpenTelemetry, of what has been done: requests, waiting in the queue, attempts.

Off unless `setup` is called with an address; until then nothing of OpenTelemetry is imported here
(the extra ``otel``). Trace ids are those of the logs and of the jobs' records.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from core.errors import InvalidInput

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_NANO = 1e9
_PATIENCE = 2
_tracer: Any = None
_provider: Any = None
# The ids of the span that is made now.
_IDS: ContextVar[tuple[int, int]] = ContextVar("ids")


def setup(service: str, url: str) -> None:
    """Send the spans of this process to a collector, in batches, from a thread.

    Parameters
    ----------
    service : str
        What the process is called in traces, such as ``convq-api``.
    url : str
        Where OTLP is spoken over HTTP, such as ``http://127.0.0.1:4318``.

    Raises
    ------
    InvalidInput
        If OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError:
        raise InvalidInput(
            "OpenTelemetry is not installed",
            field="CONVQ_OTLP_URL",
            given=url,
            accepted="nothing, or install convq[otel]",
        ) from None
    # A collector that is away must not keep a process from ending.
    to = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=_PATIENCE)
    export_to(service, to)


def export_to(service: str, exporter: SpanExporter) -> None:
    """Give the spans of this process to ``exporter`` from now on."""
    global _tracer, _provider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class Ids(IdGenerator):
        """Gives the span that is made now the ids that it has in logs and records."""

        def generate_trace_id(self) -> int:
            return _IDS.get()[0]

        def generate_span_id(self) -> int:
            return _IDS.get()[1]

    resource = Resource.create({"service.name": service})
    _provider = TracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=True)
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("convq")


def close() -> None:
    """Send what is left, and send no more."""
    global _tracer, _provider
    if _provider is not None:
        _provider.shutdown()
    _tracer = _provider = None


def new_id() -> str | None:
    """Return the id of a span that will be recorded, or None where spans are off."""
    return None if _tracer is None else secrets.token_hex(8)


def record(
    name: str,
    *,
    trace: str | None,
    start: float,
    end: float,
    span: str | None = None,
    parent: str | None = None,
    kind: Literal["server", "consumer", "internal"] = "internal",
    error: str | None = None,
    attributes: Mapping[str, str | int | float] | None = None,
) -> None:
    """Tell of something that was done; nothing where spans are off.

    Parameters
    ----------
    name : str
        What it was.
    trace : str or None
        What it belongs to, 32 hexadecimal digits; nothing is told of what belongs to none.
    start, end : float
        Seconds since the epoch.
    span, parent : str, optional
        Its own id, and that of what caused it: 16 hexadecimal digits.
    kind : {"server", "consumer", "internal"}
        Whether it answered a request, or took a job from the queue.
    error : str, optional
        Why it went wrong.
    attributes : mapping, optional
        What else is known.

    Examples
    --------
    >>> record("work", trace="0af7651916cd43dd8448eb211c80319c", start=1.0, end=2.0)
    """
    if _tracer is None or trace is None:
        return
    from opentelemetry import trace as otel

    whole = int(trace, 16)
    context = otel.set_span_in_context(otel.INVALID_SPAN)
    if parent is not None:
        flags = otel.TraceFlags(otel.TraceFlags.SAMPLED)
        cause = otel.SpanContext(whole, int(parent, 16), is_remote=True, trace_flags=flags)
        context = otel.set_span_in_context(otel.NonRecordingSpan(cause), context)
    token = _IDS.set((whole, int(span or secrets.token_hex(8), 16)))
    try:
        made = _tracer.start_span(
            name,
            context=context,
            kind=otel.SpanKind[kind.upper()],
            attributes=dict(attributes or {}),
            start_time=round(start * _NANO),
        )
    finally:
        _IDS.reset(token)
    if error is not None:
        made.set_status(otel.StatusCode.ERROR, error)
    made.end(end_time=round(end * _NANO))
