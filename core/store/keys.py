"""API keys: who may use the service, for which tenant, and how fast.

A key is an id, by which its record is found, and a secret of 256 random bits, of which only the
SHA-256 is stored. Slow hashes such as Argon2 protect what people think up; no number of guesses
finds 256 random bits, so that a fast hash costs each request a microsecond and gives nothing away
to who reads the database.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from core.errors import InvalidInput, NotFound, RateLimited, Unauthenticated
from core.store.base import RedisStore
from core.store.connection import server_ms
from core.store.tenants import check_tenant

SCOPES: dict[str, str] = {
    "submit": "upload, submit, cancel, retry and delete jobs, register models",
    "read": "see jobs, results, artifacts and models",
    "edge": "what a box at the edge needs: its version and its results; read models",
    "admin": "all of that, and the whole service's workers, queue and metrics",
}
"""What a key can be allowed to do, within its tenant."""

_ID_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyz"
_ID_LENGTH = 10
SECRET_BYTES = 32
_MARK = "convq"
_LONGEST_LABEL = 100

REFUSED = "the API key is not known, or was revoked"


@dataclass(frozen=True)
class Key:
    """What is known of an API key. Times are seconds since the epoch.

    Attributes
    ----------
    id : str
        By which people name it; no secret.
    tenant : str
        Whom it acts for.
    scopes : frozenset of str
        Of `SCOPES`.
    label : str or None
        What it is for.
    created, expires, used : float
        ``used`` is the last use, to the minute; None before the first.
    rate, burst : float, int, optional
        Requests per second, and how many at once; None for the service's own limits.
    """

    id: str
    tenant: str
    scopes: frozenset[str]
    label: str | None
    created: float
    expires: float | None
    used: float | None
    rate: float | None
    burst: int | None
    digest: str = field(repr=False)


class Allowance(NamedTuple):
    """How many requests a key may make.

    Attributes
    ----------
    left, most : int
        How many now, of how many at once.
    full_in, fills_in : float
        Seconds until it is all again, and until it is from none.
    """

    left: int
    most: int
    full_in: float
    fills_in: float


class KeyStore(RedisStore):
    """Makes, finds and revokes API keys.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every Redis key.
    """

    def create(
        self,
        *,
        tenant: str,
        scopes: Iterable[str],
        lasts: float | None = None,
        label: str | None = None,
        rate: float | None = None,
        burst: int | None = None,
    ) -> tuple[Key, str]:
        """Make a key; return it and its text, which is stored nowhere.

        Parameters
        ----------
        tenant, scopes, label, rate, burst
            As in `Key`; ``rate`` 0 is without limit.
        lasts : float, optional
            Seconds until it expires.

        Raises
        ------
        InvalidInput
            A parameter is not acceptable.
        """
        wanted = _check_scopes(scopes)
        _check_limits(lasts, rate, burst)
        if label is not None and not 0 < len(label) <= _LONGEST_LABEL:
            raise InvalidInput(
                "no label", field="label", given=label, accepted=f"1 to {_LONGEST_LABEL} characters"
            )
        key_id = new_key_id()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = server_ms(self._redis)
        record = {
            "tenant": check_tenant(tenant),
            "scopes": " ".join(sorted(wanted)),
            "digest": _digest(secret),
            "created": now,
            "label": label,
            "expires": None if lasts is None else now + round(lasts * 1000),
            "rate": rate,
            "burst": burst,
        }
        pipeline = self._redis.pipeline()
        pipeline.hset(
            self._key(key_id),
            mapping={name: value for name, value in record.items() if value is not None},
        )
        pipeline.sadd(f"{self._prefix}:keys", key_id)
        pipeline.execute()
        return self.get(key_id), f"{_MARK}_{key_id}_{secret}"

    def get(self, key_id: str) -> Key:
        """Return what is known of a key, or raise `NotFound`."""
        record: dict[str, str] = self._redis.hgetall(self._key(key_id))
        if not record:
            raise _unknown(key_id)
        return _from_record(key_id, record)

    def all(self) -> list[Key]:
        """Return all keys, expired ones too, by tenant and age."""
        ids: set[str] = self._redis.smembers(f"{self._prefix}:keys")
        pipeline = self._redis.pipeline(transaction=False)
        for key_id in ids:
            pipeline.hgetall(self._key(key_id))
        found = zip(ids, pipeline.execute(), strict=True)
        keys = [_from_record(key_id, record) for key_id, record in found if record]
        return sorted(keys, key=lambda key: (key.tenant, key.created, key.id))

    def revoke(self, key_id: str) -> None:
        """Forget a key: from now on no request with it is answered. Raises `NotFound`."""
        pipeline = self._redis.pipeline()
        pipeline.delete(self._key(key_id), f"{self._prefix}:bucket:{key_id}")
        pipeline.srem(f"{self._prefix}:keys", key_id)
        *_, known = pipeline.execute()
        if not known:
            raise _unknown(key_id)

    def verify(self, text: str) -> Key:
        """Return the key whose text this is.

        Raises
        ------
        Unauthenticated
            There is none. The error does not say whether the id or the secret is wrong.
        """
        mark, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        record: dict[str, str] = {}
        # Nothing that a stranger sends becomes the name of a key in Redis.
        if mark == _MARK and len(key_id) == _ID_LENGTH and set(key_id) <= set(_ID_ALPHABET):
            record = self._redis.hgetall(self._key(key_id))
        if not hmac.compare_digest(record.get("digest", ""), _digest(secret)):
            raise Unauthenticated(REFUSED)
        return _from_record(key_id, record)

    def use(self, key: Key, *, rate: float, burst: int) -> Allowance | None:
        """Count a request against the key's limit; None if there is no limit.

        A token bucket by the server's clock: it holds ``burst`` tokens, each request takes one,
        and ``rate`` flow in per second (J. S. Turner, "New directions in communications (or which
        way to the information age?)", IEEE Communications Magazine 24(10), 1986).

        Parameters
        ----------
        key : Key
            What `verify` returned.
        rate, burst : float, int
            For a key that has no limits of its own.

        Raises
        ------
        Unauthenticated
            It has expired, or was revoked in this moment.
        RateLimited
            It has made too many requests; ``seconds`` is how long to wait.
        """
        flow = rate if key.rate is None else key.rate
        most = burst if key.burst is None else key.burst
        outcome, value = self._scripts.run("use_key", key.id, flow, most)
        if outcome == "unknown":
            raise Unauthenticated(REFUSED)
        if outcome == "expired":
            raise Unauthenticated("the API key has expired")
        if outcome == "limited":
            raise RateLimited(
                "too many requests with this API key; go on after a while",
                accepted=f"{flow:g} per second, {most} at once",
                seconds=int(value) / 1000,
            )
        if flow == 0:
            return None
        left = int(value)
        return Allowance(left, most, (most - left) / flow, most / flow)

    def _key(self, key_id: str) -> str:
        return f"{self._prefix}:key:{key_id}"


def new_key_id() -> str:
    """Return an id that no key has had: no secret, and without letters that look alike."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_LENGTH))


def _digest(secret: str) -> str:
    # Whatever a stranger sends has a digest, half a surrogate pair too.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def _check_scopes(scopes: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        raise InvalidInput(
            "there is no such scope" if unknown else "a key without a scope is of no use",
            field="scopes",
            given=unknown[0] if unknown else "",
            accepted=list(SCOPES),
        )
    return wanted


def _check_limits(lasts: float | None, rate: float | None, burst: int | None) -> None:
    for name, value, least in (("expires", lasts, 1), ("rate", rate, 0), ("burst", burst, 1)):
        # Also false for what is no number.
        if value is not None and not least <= value <= 1e9:
            raise InvalidInput(
                "out of range", field=name, given=value, accepted=f"{least} to 1000000000"
            )


def _from_record(key_id: str, record: dict[str, str]) -> Key:
    def seconds(name: str) -> float | None:
        return int(record[name]) / 1000 if name in record else None

    return Key(
        id=key_id,
        tenant=record["tenant"],
        scopes=frozenset(record["scopes"].split()),
        label=record.get("label"),
        created=int(record["created"]) / 1000,
        expires=seconds("expires"),
        used=seconds("used"),
        rate=float(record["rate"]) if "rate" in record else None,
        burst=int(record["burst"]) if "burst" in record else None,
        digest=record["digest"],
    )


def _unknown(key_id: str) -> NotFound:
    return NotFound("there is no such key", field="key", given=key_id)
