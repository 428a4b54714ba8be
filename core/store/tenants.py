"""Tenants: whose jobs, artifacts and models these are.

Every record belongs to one tenant, and nobody finds what belongs to another. A tenant is a name, no
record of its own: it exists as soon as an API key names it. Without keys everything belongs to the
tenant `DEFAULT`, as does what was stored before there were tenants.
"""

from __future__ import annotations

import re

from core.errors import InvalidInput

DEFAULT = "default"

PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"


def space(prefix: str, tenant: str) -> str:
    """Return the first part of the keys that only this tenant has.

    Examples
    --------
    >>> space("convq", "lab-7"), space("convq", DEFAULT)
    ('convq:tenant:lab-7', 'convq')
    """
    return prefix if tenant == DEFAULT else f"{prefix}:tenant:{tenant}"


def check_tenant(name: str) -> str:
    """Return ``name`` if a tenant can be called so, else raise `InvalidInput`.

    Examples
    --------
    >>> check_tenant("lab-7")
    'lab-7'
    >>> check_tenant("a:b")
    Traceback (most recent call last):
        ...
    core.errors.InvalidInput: tenant: no name for a tenant (given: 'a:b'; accepted: at most 63 \
lower-case letters, digits and dashes)
    """
    if re.fullmatch(PATTERN, name) is None:
        raise InvalidInput(
            "no name for a tenant",
            field="tenant",
            given=name,
            accepted="at most 63 lower-case letters, digits and dashes",
        )
    return name
