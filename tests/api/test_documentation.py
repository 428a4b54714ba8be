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
