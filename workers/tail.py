"""The lines that are logged about jobs, kept until they are sent to the jobs' records."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from typing import Any

from core import logs

# A job that logs more between two renewals of its lease loses the oldest of it.
_MOST_LINES = 100
# What workers do with a job is in its events already; only what they complain about is not.
_WORKERS = "workers."


class Tail(logging.Handler):
    """Keeps lines that are about a job (`core.logs.about`), by its id."""

    def __init__(self) -> None:
        super().__init__()
        self._keeping = threading.Lock()
        self._lines: dict[str, deque[dict[str, Any]]] = defaultdict(
            lambda: deque(maxlen=_MOST_LINES)
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, if it is about a job and tells what its events do not."""
        job = logs.current().get("job")
        if job is None or (record.name.startswith(_WORKERS) and record.levelno < logging.WARNING):
            return
        line = logs.line_of(record)
        with self._keeping:
            self._lines[job].append(line)

    def take(self, job: str) -> list[dict[str, Any]]:
        """Return what was logged about a job since the last time, oldest first."""
        with self._keeping:
            return list(self._lines.pop(job, ()))


TAIL = Tail()
"""That of this process; what sets up its logging adds it."""
