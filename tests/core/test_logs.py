"""Lines that programs can read, about what is done, without what must stay secret."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import logs, trace

LOG = logging.getLogger("tests.logs")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.setup("json", stream=stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_an_object_with_what_it_is_about(lines: io.StringIO) -> None:
    with logs.about(job="j", trace="t", tenant=None), logs.about(attempt=2):
        LOG.info("began %s", "now", extra={"kind": "convolve"})
    LOG.warning("after")
    first, second = read(lines)
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "info",
        "logger": "tests.logs",
        "event": "began now",
        "job": "j",
        "trace": "t",
        "attempt": 2,
        "kind": "convolve",
    }
    assert second.keys() == {"time", "level", "logger", "event"}


def test_an_error_is_one_line_too(lines: io.StringIO) -> None:
    try:
        raise ValueError("redis://:hunter2@db\nsecond line")
    except ValueError:
        LOG.exception("failed\nbadly")
    (line,) = read(lines)
    assert (line["level"], line["error"], line["event"]) == ("error", "ValueError", "failed\nbadly")
    assert "second line" in line["traceback"]
    assert "hunter2" not in lines.getvalue()


def test_nothing_that_somebody_chose_forges_a_line_of_text() -> None:
    stream = io.StringIO()
    record = logging.LogRecord("a", logging.INFO, "", 0, "it is %s", ("x\n\x1b[2Jé",), None)
    record.box = "y\r"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs._Text())
    handler.emit(record)
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(r" INFO a: it is x\n\x1b[2Jé box=y\r")


def test_threads_write_about_the_same(lines: io.StringIO) -> None:
    with logs.about(job="j"):
        told = threading.Thread(target=logs.run_here(lambda: LOG.info("told")))
    plain = threading.Thread(target=lambda: LOG.info("plain"))
    for thread in (told, plain):
        thread.start()
        thread.join()
    first, second = read(lines)
    assert (first["job"], "job" in second) == ("j", False)


@given(st.text(), st.dictionaries(st.from_regex("[a-z]{3,8}x", fullmatch=True), st.text()))
def test_whatever_is_logged_stays_one_line(event: str, fields: dict[str, str]) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs._Json())
    record = logging.makeLogRecord({"msg": "%s", "args": (event,), "name": "n"} | fields)
    handler.emit(record)
    (line,) = stream.getvalue().split("\n")[:-1]
    assert json.loads(line)["logger"] == "n"
    assert line.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "redis://:hunter2@db:6379/0",
        "rediss://user:hunter2@db",
        "Authorization: Bearer hunter2hunter2",
        "{'authorization': 'Bearer hunter2hunter2'}",
        "bearer hunter2hunter2",
        "password=hunter2",
        "AWS_SECRET: hunter2",
        '{"api_key": "hunter2"}',
        "token 'hunter2'",
        "convq_k7a2_hunter2hunter2hunter2",
        "convqbox_k7a2_hunter2hunter2hunter2",
    ],
)
def test_secrets_are_blackened(lines: io.StringIO, text: str) -> None:
    LOG.error(text, extra={"given": text, "nested": {"deep": text}})
    LOG.error("%s", ValueError(text))
    assert "hunter2" not in lines.getvalue()
    assert lines.getvalue().count("***") >= 3


def test_a_terminal_shows_text(monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    try:
        monkeypatch.setattr(stream, "isatty", lambda: True)
        logs.setup("auto", stream=stream)
        with logs.about(job="j"):
            LOG.info("began")
        LOG.debug("not told")
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = before
        root.setLevel(level)
    assert stream.getvalue().endswith("INFO tests.logs: began job=j\n")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
    ],
)
def test_what_is_no_trace_gives_a_new_one(header: str | None) -> None:
    found = trace.trace_of(header)
    assert found not in (header or "none")
    assert trace.trace_of(trace.traceparent(found)) == found


def test_a_trace_of_a_later_version_is_read() -> None:
    header = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings"
    assert trace.trace_of(header) == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in logs._SECRETS])
@given(data=st.data())
def test_whatever_has_a_secret_is_looked_through(pattern, data) -> None:
    assert logs._SUSPECT.search(data.draw(st.from_regex(pattern)))
