"""What pydantic says of a request, in the words of a problem document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError

_MOST_FAULTS = 20


def faults(error: RequestValidationError) -> list[dict[str, Any]]:
    """Return what is wrong with the request, one dict per fault.

    Returns
    -------
    list of dict
        ``field`` (path in the body, or name of the parameter; None for the body as a whole),
        ``message``, and ``given`` and ``accepted`` where there is something to say. At most 20.
    """
    return [_fault(found, error.body) for found in error.errors()[:_MOST_FAULTS]]


def _fault(found: Any, body: Any) -> dict[str, Any]:
    place, *path = found["loc"]
    message = str(found["msg"])
    fault: dict[str, Any] = {
        "field": _body_path(path, body, found["type"]) if place == "body" else str(path[-1]),
        "message": message,
    }
    wanted = message.removeprefix("Input should be ")
    if wanted != message:
        fault["accepted"] = wanted
    if found["type"] == "json_invalid":
        fault["field"] = None
        fault["message"] = f"the body is not JSON: {found['ctx']['error']}"
        fault["given"] = f"at character {path[0]}"
    elif found["type"] == "extra_forbidden":
        fault["message"] = "there is no such field"
        fault["given"] = found["input"]
    elif found["type"] != "missing":
        fault["given"] = found["input"]
    return fault


def _body_path(path: list[Any], body: Any, kind: str) -> str | None:
    """Return the path as a client knows it.

    Pydantic's paths also hold the names of the members of unions that it tried, which are not in
    the document.
    """
    names = []
    here = body
    for place, part in enumerate(path):
        is_last = place == len(path) - 1
        is_key = isinstance(here, Mapping) and part in here
        is_index = isinstance(here, list) and isinstance(part, int) and part < len(here)
        if is_key or is_index:
            here = here[part]
        elif not (is_last and kind == "missing"):
            continue
        names.append(str(part))
    return ".".join(names) or None
