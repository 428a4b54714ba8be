"""docs/http.md against the service that it describes."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import FastAPI

import api.errors
import core.errors
from core.errors import ConvqError

PAGE = (Path(__file__).parents[2] / "docs" / "http.md").read_text(encoding="utf-8")

# No answers to requests: the base, and what only ends jobs.
INTERNAL = {"error", "cancelled", "lease_lost", "diverged"}


def test_every_path_is_listed(app: FastAPI) -> None:
    listed = set()
    for row in re.findall(r"^\| (`(?:GET|POST|PUT|DELETE).*?) \|", PAGE, re.MULTILINE):
        methods = re.findall(r"GET|HEAD|POST|PUT|DELETE", row)
        paths = re.findall(r"/[^`?, ]+", row)
        listed |= {(method, path) for method in methods for path in paths}
    known = {
        (method.upper(), path.replace("{job_id}", "{id}"))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }
    assert listed == known


def test_every_code_is_listed() -> None:
    listed = set(re.findall(r"^\| `([a-z_]+)` \| \d{3} \|", PAGE, re.MULTILINE))
    known = {
        error.code
        for module in (core.errors, api.errors)
        for error in vars(module).values()
        if isinstance(error, type) and issubclass(error, ConvqError)
    }
    assert known - INTERNAL <= listed
    assert listed - known == {"method_not_allowed", "internal"}


def test_what_reads_a_body_tells_how_a_body_is_refused(app: FastAPI) -> None:
    operations = [
        operation for path in app.openapi()["paths"].values() for operation in path.values()
    ]
    reading = {operation["operationId"] for operation in operations if "requestBody" in operation}
    for status in ("408", "413", "415"):
        telling = {each["operationId"] for each in operations if status in each["responses"]}
        assert reading <= telling


def test_what_stores_something_tells_that_there_may_be_no_room(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    for path in ("/v1/artifacts", "/v1/jobs"):
        assert "507" in paths[path]["post"]["responses"]
