"""Who asks: the tenant that a request acts for, and what its key lets it do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from core.store.tenants import DEFAULT

SCOPES = ("submit", "read", "admin", "edge")


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    tenant : str
        Whose jobs, artifacts and models the request is about.
    key : str or None
        Id of the API key; None where keys are off.
    scopes : frozenset of str
        What the key allows.
    """

    tenant: str
    key: str | None
    scopes: frozenset[str]


_ANYBODY = Caller(DEFAULT, None, frozenset(SCOPES))


async def _caller(request: Request) -> Caller:
    return _ANYBODY


Calling = Annotated[Caller, Depends(_caller)]
"""The type of a route's parameter that receives the `Caller`."""
