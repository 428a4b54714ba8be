"""What pydantic says of a request, in the words of a problem document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError

_MOST_FAULTS = 20
_SHOULD_BE = "Input should be "
_QUOTED = re.compile(r"'([^']*)'")


def faults(error: RequestValidationError) -> list[dict[str, Any]]:
    """Return what is wrong with the request, one dict per fault.

    Returns
    -------
    list of dict
        ``field`` (path in the body, or name of the parameter; None for the body as a whole),
        ``message``, and ``given`` and ``accepted`` where there is something to say. At most 20.
    """
    found = [_fault(details, error.body) for details in error.errors()[:_MOST_FAULTS]]
    fields = [fault["field"] or "" for fault in found]
    # A value that could have been one of several things fails as each of them. The thing that it
    # was meant to be is the one of which a part is at fault, not the whole.
    return [
        fault
        for fault, field in zip(found, fields, strict=True)
        if not any(other.startswith(f"{field}.") for other in fields)
    ]


def _fault(details: Any, body: Any) -> dict[str, Any]:
    place, *path = details["loc"]
    kind, context = details["type"], details.get("ctx", {})
    message = str(details["msg"])
    names = _known(path, body, kind == "missing") if place == "body" else [str(path[-1])]
    fault: dict[str, Any] = {"message": message}
    if kind != "missing":
        fault["given"] = details["input"]
    if kind == "extra_forbidden":
        fault["message"] = "there is no such field"
    elif kind == "literal_error":
        fault["accepted"] = _QUOTED.findall(context["expected"])
    elif kind == "union_tag_invalid":
        name = context["discriminator"].strip("'")
        # The tag of an outer union may have led there already.
        names += [name] if names[-1:] != [name] else []
        fault["message"] = f"there is no such {name}"
        fault["given"] = context["tag"]
        fault["accepted"] = _QUOTED.findall(context["expected_tags"])
    elif message.startswith(_SHOULD_BE):
        fault["accepted"] = message.removeprefix(_SHOULD_BE)
    return {"field": ".".join(names) or None} | fault


def _known(path: list[Any], here: Any, is_missing: bool) -> list[str]:
    """Return the parts of a path that a client knows.

    Pydantic's paths also hold the names of the members of unions that it tried. Those are not in
    the document, or lead astray in it, so of all ways to leave parts out the one is right that
    reaches the last part, and leaves out least.
    """
    if not path:
        return []
    part, *rest = path
    ways = [_known(rest, here, is_missing)]
    is_key = isinstance(here, Mapping) and part in here
    is_index = isinstance(here, list) and isinstance(part, int) and part < len(here)
    if is_key or is_index:
        ways.append([str(part), *_known(rest, here[part], is_missing)])
    elif is_missing and not rest:
        ways.append([str(part)])
    return max(ways, key=lambda way: (way[-1:] == [str(path[-1])], len(way)))
