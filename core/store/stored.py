"""How many bytes are stored, and the refusal of more."""

from __future__ import annotations

from typing import Any

import redis

from core.errors import QuotaFull

_ALL = ":all"  # no tenant is called so


def check_room(
    client: redis.Redis, prefix: str, tenant: str, more: int, most: int, most_of_tenant: int
) -> None:
    """Return if ``more`` bytes can be stored within the limits.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix, tenant : str
        First part of every key, and who wants to store.
    more, most, most_of_tenant : int
        Bytes.

    Raises
    ------
    QuotaFull
        They would exceed what may be stored in all, or by the tenant.
    """
    answer: Any = client.hmget(f"{prefix}:stored", [_ALL, tenant])
    stored, own = (int(count or 0) for count in answer)
    if stored + more > most:
        raise no_room("", most)
    if own + more > most_of_tenant:
        raise no_room(tenant, most_of_tenant)


def no_room(tenant: str, most: int) -> QuotaFull:
    """Return the refusal of bytes of a tenant, or of all if ``tenant`` is empty."""
    whose = f"tenant {tenant}" if tenant else "the service"
    return QuotaFull(
        f"{whose} has stored as much as it may; delete jobs that are not needed any more",
        field="artifact",
        accepted=f"at most {most} bytes",
    )


def stored(client: redis.Redis, prefix: str) -> tuple[int, dict[str, int]]:
    """Return the bytes that are stored: in all, and those that each tenant holds, by its name."""
    answer: Any = client.hgetall(f"{prefix}:stored")
    tenants = {str(name): int(count) for name, count in sorted(answer.items())}
    return tenants.pop(_ALL, 0), tenants
