"""What is said of a job of which nothing came."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.jobs.ending import without_results


def said_of(*names: str) -> str:
    failures = [{"name": name, "message": "it is damaged"} for name in names]
    run: Any = SimpleNamespace(failures=failures, results=[])
    error = without_results(run)
    assert error is not None
    return str(error["message"])


def test_one_input_is_not_counted() -> None:
    assert said_of("a.png") == "a.png could not be processed: it is damaged"


def test_of_several_inputs_the_first_is_named() -> None:
    message = "none of the 2 inputs could be processed; the first, a.png: it is damaged"
    assert said_of("a.png", "b.png") == message
