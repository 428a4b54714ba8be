"""Who asks: the tenant that a request acts for, and what its key lets it do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from fastapi import Depends, Request

from core.addresses import is_loopback
from core.errors import Forbidden, Unauthenticated
from core.store.keys import SCOPES, Allowance
from core.store.tenants import DEFAULT

if TYPE_CHECKING:
    from api.services import Services

_WANTED = "the header Authorization: Bearer KEY; convq keys create makes a key"


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    tenant : str
        Whose jobs, artifacts and models the request is about.
    key : str or None
        Id of the API key; None where keys are off, and where none is needed.
    scopes : frozenset of str
        What the key allows, of `core.store.keys.SCOPES`.
    headers : dict
        What every answer says to this caller: how many requests are left.
    """

    tenant: str
    key: str | None
    scopes: frozenset[str]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_operator(self) -> bool:
        """Whether the caller may see what concerns all tenants."""
        return "admin" in self.scopes


_LOCAL = Caller(DEFAULT, None, frozenset(SCOPES))
_NOBODY = Caller(DEFAULT, None, frozenset())


async def authorize(request: Request, scopes: tuple[str, ...]) -> Caller:
    """Return who asks, if one of ``scopes`` (or admin) is theirs; without scopes anybody may ask.

    Raises
    ------
    Unauthenticated
        There is no key, or none that is known.
    Forbidden
        The key does not have the scope; or keys are off and the request is not of this machine.
    RateLimited
        The key has made too many requests.
    """
    services: Services = request.app.state.services
    if not scopes:
        return _NOBODY
    if not services.settings.keys:
        _refuse_strangers(request)
        return _LOCAL
    return await run_sync(_identify, services, bearer(request), scopes)


def _identify(services: Services, text: str, scopes: tuple[str, ...]) -> Caller:
    settings = services.settings
    key = services.keys.verify(text)
    allowance = services.keys.use(key, rate=settings.key_rate, burst=settings.key_burst)
    if key.scopes.isdisjoint((*scopes, "admin")):
        raise Forbidden(
            f"this API key lacks the scope {' or '.join(scopes)}",
            field="Authorization",
            given=" ".join(sorted(key.scopes)),
            accepted=list(dict.fromkeys((*scopes, "admin"))),
        )
    return Caller(key.tenant, key.id, key.scopes, _limits(allowance))


def bearer(request: Request) -> str:
    """Return the API key that a request carries.

    Raises
    ------
    Unauthenticated
        It carries none.
    """
    given = request.headers.getlist("authorization")
    scheme, _, text = given[0].strip().partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        # What was given is not repeated: it may be somebody's password.
        raise Unauthenticated(
            "this service wants an API key", field="Authorization", accepted=_WANTED
        )
    return text.strip()


def _refuse_strangers(request: Request) -> None:
    """Raise `Forbidden` for a request from elsewhere, since only this machine is served.

    A reverse proxy on this machine would open the service to everybody, and a web page could have
    the browser of somebody who sits here send requests, or rebind its own name to this address.
    """
    peer = request.client.host if request.client else None
    origin = request.headers.get("origin")
    for field_name, given, host in (
        ("client", peer, peer),
        ("Host", request.headers.get("host"), request.url.hostname),
        ("Origin", origin, None if origin is None else _hostname(origin)),
    ):
        if given is not None and not is_loopback(host or ""):
            raise Forbidden(
                "without API keys only this machine is served; CONVQ_KEYS=on turns keys on",
                field=field_name,
                given=given,
                accepted="127.0.0.1, ::1 or localhost",
            )


def _hostname(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _limits(allowance: Allowance | None) -> dict[str, str]:
    """Return the header fields of draft-ietf-httpapi-ratelimit-headers-10."""
    if allowance is None:
        return {}
    return {
        "RateLimit-Policy": f'"key";q={allowance.most};w={math.ceil(allowance.fills_in)}',
        "RateLimit": f'"key";r={allowance.left};t={math.ceil(allowance.full_in)}',
    }


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


Calling = Annotated[Caller, Depends(_caller)]
"""The type of a route's parameter that receives the `Caller`."""
