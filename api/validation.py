"""What pydantic says of a request, in the words of a problem document."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from api.places import Place, bare, constants, find, is_model, members

_MOST_FAULTS = 20

_NOUNS: dict[Any, str] = {
    bool: "true or false",
    dict: "an object",
    float: "a number",
    int: "a whole number",
    list: "a list",
    str: "text",
}


def _value(place: Place) -> str | list[str]:
    """Say what belongs to the place: names to choose from, or a sentence."""
    if get_origin(place.wanted) is Literal:
        return [str(name) for name in get_args(place.wanted)]
    noun = _noun(place.wanted)
    if place.info and place.info.examples:
        return f"{noun} like {' or '.join(map(_json, place.info.examples))}"
    if is_model(place.wanted):
        return f"{noun} with the fields {', '.join(place.wanted.model_fields)}"
    models = [bare(member)[0] for member in members(place.wanted)]
    if models and all(map(is_model, models)):
        chosen_by = set.intersection(*(set(constants(model)) for model in models))
        return f"{noun} with the field {', '.join(sorted(chosen_by))}" if chosen_by else noun
    return noun


def _description(place: Place) -> str | list[str]:
    """Say what belongs to the place, and quote the field's own description."""
    if not place.info or not place.info.description:
        return _value(place)
    return f"{_value(place)} ({place.info.description.removesuffix('.')})"


def _fields(place: Place) -> list[str]:
    """List the fields of the model that has no such one."""
    return list(place.model.model_fields) if place.model else []


def _tags(place: Place) -> list[str]:
    """List the values of the field by which a union chooses; the place is that field."""
    models = (bare(member)[0] for member in members(place.wanted))
    return [str(constants(model)[place.names[-1]]) for model in models]


# What pydantic calls the fault: what is wrong, and what is accepted. Braces stand for what pydantic
# knows of the limit that was broken; {name} is the last part of the path.
_TABLE: dict[str, tuple[str, str | Callable[[Place], Any]]] = {
    "bool_type": ("this is neither true nor false", _value),
    "dict_type": ("this is no object", _value),
    "extra_forbidden": ("there is no such field", _fields),
    "finite_number": ("this is too large for a number", "a finite number"),
    "float_type": ("this is no number", _value),
    "greater_than": ("this is too small", "more than {gt}"),
    "greater_than_equal": ("this is too small", "{ge} or more"),
    "int_parsing": ("this is no whole number", _value),
    "int_parsing_size": ("this is too large for a whole number", _value),
    "int_type": ("this is no whole number", _value),
    "less_than": ("this is too large", "less than {lt}"),
    "less_than_equal": ("this is too large", "{le} or less"),
    "list_type": ("this is no list", _value),
    "literal_error": ("there is no such {name}", _value),
    "missing": ("this is required", _value),
    "model_attributes_type": ("this is no object", _value),
    "string_pattern_mismatch": ("this is malformed", _description),
    "string_too_long": ("this is too long", "text of {max_length} or fewer characters"),
    "string_too_short": ("this is too short", "text of {min_length} or more characters"),
    "string_type": ("this is no text", _value),
    "too_long": ("these are too many", "a list of {max_length} or fewer"),
    "too_short": ("these are too few", "a list of {min_length} or more"),
    "union_tag_invalid": ("there is no such {name}", _tags),
    "union_tag_not_found": ("this is required", _tags),
    "value_error": ("{error}", _description),
}


def faults(error: RequestValidationError, route: APIRoute) -> list[dict[str, Any]]:
    """Return what is wrong with the request, one dict per fault.

    Parameters
    ----------
    error : RequestValidationError
        From FastAPI.
    route : APIRoute
        Knows the models of the body and of the parameters.

    Returns
    -------
    list of dict
        ``field`` (path in the body, or name of the parameter; ``body`` for the body as a whole),
        ``message``, ``given`` unless nothing was given, and ``accepted``. At most 20.
    """
    found: dict[str, dict[str, Any]] = {}
    for details in error.errors()[:_MOST_FAULTS]:
        fault = _fault(details, route)
        field = fault["field"]
        # A value that could have been one of several things fails as each of them.
        found[field] = _either(found[field], fault) if field in found else fault
    # The thing that it was meant to be is the one of which a part is at fault, not the whole.
    return [
        fault
        for field, fault in found.items()
        if not any(other.startswith(f"{field}.") for other in found)
    ]


def _fault(details: Any, route: APIRoute) -> dict[str, Any]:
    kind, given = details["type"], details["input"]
    context = {name: _limit(value) for name, value in details.get("ctx", {}).items()}
    is_absent = kind in ("missing", "union_tag_not_found")
    place = _place(details["loc"], route)
    if kind.startswith("union_tag"):  # told of the union; the field that chooses is meant
        field = context["discriminator"].strip("'")
        place, given = replace(place, names=(*place.names, field)), given.get(field)
    context["name"] = place.names[-1] if place.names else "body"
    if kind in _TABLE:
        message, accepted = _TABLE[kind]
    else:  # made by a model of ours, which speaks for itself
        context["error"], message, accepted = details["msg"], "{error}", _value
    return {
        "field": ".".join(place.names) or "body",
        "message": message.format(**context),
        **({} if is_absent else {"given": given}),
        "accepted": accepted.format(**context) if isinstance(accepted, str) else accepted(place),
    }


def _either(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    accepted = (fault["accepted"] for fault in (one, other))
    sentences = (text if isinstance(text, str) else ", ".join(text) for text in accepted)
    return one | {
        "message": "this is in none of the accepted forms",
        "accepted": " or ".join(dict.fromkeys(sentences)),
    }


def _place(path: tuple[str | int, ...], route: APIRoute) -> Place:
    where, *rest = path
    if where == "body":
        assert route.body_field is not None
        return find(route.body_field.field_info, rest)
    parameters = {
        "path": route.dependant.path_params,
        "query": route.dependant.query_params,
        "header": route.dependant.header_params,
    }
    name = str(rest[0])
    info = next(field.field_info for field in parameters[str(where)] if field.alias == name)
    return replace(find(info, []), names=(name,))


def _limit(value: Any) -> Any:
    """Return a limit as one would write it: 500 and not 500.0."""
    return f"{value:g}" if isinstance(value, float) else value


def _noun(wanted: Any) -> str:
    union = members(wanted)
    if union:
        return " or ".join(dict.fromkeys(_noun(bare(member)[0]) for member in union))
    return "an object" if is_model(wanted) else _NOUNS.get(get_origin(wanted) or wanted, "a value")


def _json(example: Any) -> str:
    return json.dumps(example, ensure_ascii=False)
