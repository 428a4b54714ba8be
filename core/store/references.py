"""How people refer to a version of a model: ``digits``, ``digits@3``, ``digits@production``."""

from __future__ import annotations

import re

from core.errors import InvalidInput

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
ALIAS_PATTERN = r"^[A-Za-z][A-Za-z0-9._-]{0,63}$"
LATEST = "latest"
"""What a reference has for the newest version, so no alias of one's own."""

MAX_VERSION = 2**53 - 1
"""Lua counts in doubles."""

_REFERENCE = "a name, name@version or name@alias, for example digits@production"


def parse_reference(text: str) -> tuple[str, int | str | None]:
    """Return the name, and the version, the alias, or None for the newest.

    Raises
    ------
    InvalidInput
        If ``text`` is no reference.

    Examples
    --------
    >>> parse_reference("digits@3"), parse_reference("digits@production"), parse_reference("digits")
    (('digits', 3), ('digits', 'production'), ('digits', None))
    """
    name, at, selector = text.partition("@")
    if re.fullmatch(NAME_PATTERN, name):
        if not at or selector == LATEST:
            return name, None
        if re.fullmatch("[1-9][0-9]{0,15}", selector) and int(selector) <= MAX_VERSION:
            return name, int(selector)
        if re.fullmatch(ALIAS_PATTERN, selector):
            return name, selector
    raise InvalidInput("no reference to a model", field="model", given=text, accepted=_REFERENCE)
