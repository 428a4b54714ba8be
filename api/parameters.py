"""Parameters beyond what a schema says: none that is unknown, no id of a form that none has."""

from __future__ import annotations

import re
from collections.abc import Callable

from fastapi import Request

from core.errors import InvalidInput, NotFound


async def refuse_unknown(request: Request) -> None:
    """Do nothing, or raise InvalidInput for a query parameter that the route does not have.

    A typing error in the name of a filter would go unnoticed otherwise.
    """
    known = [parameter.alias for parameter in request.scope["route"].dependant.query_params]
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise InvalidInput(
                "there is no such parameter",
                field=name,
                given=value,
                accepted=known or "no parameters at this path",
            )


def known_form(pattern: str, message: str, field: str, example: str) -> Callable[[str], str]:
    """Return a validator of an id in a path: one that is malformed is as unknown as any other.

    Examples
    --------
    >>> check = known_form("^[a-z]$", "there is no such letter", "letter", "a")
    >>> check("b")
    'b'
    >>> check("7")
    Traceback (most recent call last):
        ...
    core.errors.NotFound: letter: there is no such letter (given: '7'; accepted: text like "a")
    """

    def check(given: str) -> str:
        if re.fullmatch(pattern, given) is None:
            raise NotFound(message, field=field, given=given, accepted=f'text like "{example}"')
        return given

    return check
