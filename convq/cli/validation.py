"""What pydantic says of a value on this machine, as an error of convq's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInput

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_SHOULD_BE = "Input should be "
_PLAIN = {"a valid integer": "a whole number", "a valid number": "a number"}


def field_error(error: ValidationError, body: Any, *outer: str) -> InvalidInput:
    """Return the first fault of a job's description.

    Parameters
    ----------
    error : ValidationError
        What pydantic raised for ``body``.
    body : dict
        The description as the caller knows it.
    *outer : str
        The fields in which ``body`` stands.
    """
    fault = error.errors()[0]
    return _refusal(fault, ".".join([*outer, *_known(fault["loc"], body)]))


def setting_error(error: ValidationError) -> InvalidInput:
    """Return the first fault of the settings, by the name of its environment variable."""
    fault = error.errors()[0]
    return _refusal(fault, f"CONVQ_{fault['loc'][0]}".upper())


def _refusal(fault: ErrorDetails, field: str) -> InvalidInput:
    message = fault["msg"].removeprefix("Value error, ")
    accepted = None
    if message.startswith(_SHOULD_BE):
        accepted = message.removeprefix(_SHOULD_BE).partition(", unable to")[0]
        message, accepted = "this is not acceptable", _PLAIN.get(accepted, accepted)
    return InvalidInput(message, field=field, given=fault["input"], accepted=accepted)


def _known(path: Sequence[int | str], body: Any) -> list[str]:
    """Return the parts of a path that are in the body.

    Pydantic's paths also name the members of unions that it tried. Of all ways to leave parts out
    the one is right that reaches the last part and leaves out least.
    """
    if not path:
        return []
    part, *rest = path
    ways = [_known(rest, body)]
    is_index = isinstance(body, list) and isinstance(part, int)
    if is_index or (isinstance(body, dict) and part in body):
        ways.append([str(part), *_known(rest, body[part])])
    return max(ways, key=lambda way: (way[-1:] == [str(path[-1])], len(way)))
