"""Structured logs: one JSON object a line where a program reads them, plain lines on a terminal.

What a line is about (the request, the job) is noted once with `about`, and stands in every line
that is written meanwhile, in this thread and in those that it starts through anyio or `run_here`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import Any, Final, Literal, TextIO, TypeVar

Format = Literal["auto", "json", "text"]

_ABOUT: ContextVar[dict[str, Any]] = ContextVar("about", default={})  # noqa: B039 - never changed

# What every record has, and so is told by other names or not at all.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

# What says which job a line is about; characters of a text that is kept with the job.
_OF_JOB: Final = frozenset({"job", "attempt", "tenant", "trace", "span"})
_LONGEST: Final = 4000

# What every one of these has: to look for it once takes less time than to look for each of them.
_SUSPECT: Final = re.compile(
    r"://|convq|(?i:authorization|bearer|password|passwd|secret|token|api_?key)"
)
_SECRETS: Final = (
    # user:password@ in a URL
    (re.compile(r"(://)[^/\s@]+@"), r"\1***@"),
    # an API key, or the token with which a box enrols: its id tells whose it is
    (re.compile(r"\b(convq(?:box)?_[a-z0-9]+_)[\w-]{16,}"), r"\1***"),
    (re.compile(r"(?i)\b(authorization\W{1,4}\w+\W+|bearer\s+)[\w.~+/=-]{8,}"), r"\1***"),
    (
        re.compile(r"(?i)(password|passwd|secret|token|api_?key)(\W{1,4})[^\s,;&\"'}]+"),
        r"\1\2***",
    ),
)

Result = TypeVar("Result")


def setup(format_: Format = "auto", *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Write the logs of this process to ``stream``, in place of whatever was set up before.

    Parameters
    ----------
    format_ : {"auto", "json", "text"}
        ``auto`` is text on a terminal and JSON everywhere else.
    level : str
        The least that is written.
    stream : text stream, optional
        Standard error by default.
    """
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    is_text = format_ == "text" or (format_ == "auto" and out.isatty())
    handler.setFormatter(_Text() if is_text else _Json())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


@contextmanager
def about(**fields: Any) -> Iterator[None]:
    """Put ``fields`` into every line that is written meanwhile; those that are None are left out.

    Examples
    --------
    >>> with about(job="j1", trace=None):
    ...     with about(attempt=2):
    ...         current()
    {'job': 'j1', 'attempt': 2}
    """
    known = {name: value for name, value in fields.items() if value is not None}
    token = _ABOUT.set(_ABOUT.get() | known)
    try:
        yield
    finally:
        _ABOUT.reset(token)


def current() -> dict[str, Any]:
    """Return what the lines are about that are written now."""
    return dict(_ABOUT.get())


def run_here(function: Callable[[], Result]) -> Callable[[], Result]:
    """Return ``function`` for another thread, whose lines are about the same as those here."""
    context = copy_context()
    return lambda: context.run(function)


def without_secrets(text: str) -> str:
    """Return ``text`` with passwords, keys and tokens blackened.

    Examples
    --------
    >>> without_secrets("cannot reach redis://:hunter2@db:6379/0")
    'cannot reach redis://***@db:6379/0'
    >>> without_secrets("Authorization: Bearer cq_0123456789abcdef")
    'Authorization: Bearer ***'
    """
    if _SUSPECT.search(text):
        for pattern, replacement in _SECRETS:
            text = pattern.sub(replacement, text)
    return text


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record as it is shown with the job that it is about, without secrets and bounded.

    Returns
    -------
    dict
        ``time`` (ISO 8601), ``level``, ``logger``, ``event``, ``attempt``; ``fields`` with what
        else was said; ``error`` and ``traceback`` of an exception. What names the job is left out.

    Examples
    --------
    >>> record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "msg": "b", "port": 80})
    >>> line = line_of(record)
    >>> line["event"], line["fields"]
    ('b', {'port': 80})
    """
    fields = _fields(record)
    line = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "event": without_secrets(record.getMessage())[:_LONGEST],
        "attempt": fields.get("attempt"),
        "fields": {
            name: value[:_LONGEST] if isinstance(value, str) else value
            for name, value in fields.items()
            if name not in _OF_JOB
        },
    }
    if record.exc_info and record.exc_info[0] is not None:
        line["error"] = record.exc_info[0].__name__
        # Where it happened stands at the end.
        text = without_secrets(logging.Formatter().formatException(record.exc_info))
        line["traceback"] = text[-_LONGEST:]
    return line


class _Json(logging.Formatter):
    """One object a line: time, level, logger and event; what it is about; the error, if any."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": without_secrets(record.getMessage()),
        }
        line |= _fields(record)
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = without_secrets(self.formatException(record.exc_info))
        # Escapes keep a line a line, whatever somebody put into a name.
        return json.dumps(line)


class _Text(logging.Formatter):
    """A line for people: time, level, logger, event, and what it is about behind it."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        event = without_secrets(record.getMessage())
        fields = "".join(f" {name}={value}" for name, value in _fields(record).items())
        line = _in_one_line(f"{time} {record.levelname} {record.name}: {event}{fields}")
        if record.exc_info:
            line += "\n" + without_secrets(self.formatException(record.exc_info))
        return line


def _in_one_line(text: str) -> str:
    # Names and paths are what somebody chose: they could forge lines, or command the terminal.
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    extra = {name: value for name, value in vars(record).items() if name not in _OWN}
    return {name: _clean(value) for name, value in (_ABOUT.get() | extra).items()}


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return without_secrets(str(value))
