"""What boxes have found: each result exactly once, in artifacts that a stream names.

A box numbers the results of its spool. What it hands in is taken from the first number on that is
new, written as an artifact, and recorded by a script that compares the count again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import Conflict, NotFound
from core.media.types import NDJSON
from core.store.artifacts import ArtifactStore
from core.store.base import RedisStore
from core.store.connection import server_ms
from core.store.edge import Box
from core.store.tenants import DEFAULT, space

# Another request of the same box was quicker; it is asked again what is new then.
_TRIES = 5
_SWEPT = 500


@dataclass(frozen=True)
class Delivery:
    """Results that came together.

    Attributes
    ----------
    id : str
        Increases within a group.
    box, name : str
        Whose they are; ``name`` is what the box calls itself.
    spool : str
        Of the box, in which they are numbered.
    before, count : int
        They are the numbers ``before + 1`` to ``before + count``.
    artifact : str
        Digest of a file with a line of JSON for each.
    received : float
        In seconds since the epoch.
    """

    id: str
    box: str
    name: str
    spool: str
    before: int
    count: int
    artifact: str
    received: float


class EdgeResults(RedisStore):
    """Takes results of boxes in, and lists them.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.
    """

    def take(
        self,
        artifacts: ArtifactStore,
        box: Box,
        spool: str,
        before: int,
        results: Sequence[dict[str, Any]],
        *,
        check_room: Callable[[int], None] = lambda size: None,
    ) -> int:
        """Keep those results that are new; return how many of the spool are kept now.

        Parameters
        ----------
        artifacts : ArtifactStore
            Of the box's tenant.
        box : Box
            Whose they are.
        spool, before, results
            The results with the numbers ``before + 1``, ``before + 2`` ... of a spool.
        check_room : callable
            Asked with a number of bytes before they are stored; raises if they may not be.

        Raises
        ------
        Conflict
            Results before these have not come.
        NotFound
            The box was removed.
        """
        key = f"{self._prefix}:edge:box:{box.id}:received"
        received = int(self._redis.hget(key, spool) or 0)
        for _ in range(_TRIES):
            if before > received:
                raise Conflict(
                    "results are missing before these",
                    field="before",
                    given=before,
                    accepted=f"at most {received}",
                )
            new = results[received - before :]
            if not new:
                return received
            lines = [
                json.dumps(result | {"box": box.id, "spool": spool, "number": number})
                for number, result in enumerate(new, received + 1)
            ]
            text = "".join(f"{line}\n" for line in lines).encode()
            check_room(len(text))
            digest = artifacts.put(text, NDJSON).digest
            answer = self._scripts.run("edge_take", box.id, spool, received, len(new), digest)
            if answer == -1:
                raise NotFound("there is no such box", field="box", given=box.id)
            if answer == received + len(new):
                return int(answer)
            # -2: the artifact was swept in this moment, and is written again.
            received = received if answer < 0 else int(answer)
        raise Conflict("the box hands in these results several times at once", field="results")

    def page(
        self, tenant: str, group: str, *, after: str | None = None, limit: int = 50
    ) -> tuple[list[Delivery], str | None]:
        """Return deliveries, the oldest first, and after which the next page begins, if any."""
        stream = f"{space(self._prefix, tenant)}:edge:group:{group}:results"
        first = "-" if after is None else f"({after}"
        entries: list[Any] = self._redis.xrange(stream, first, count=limit + 1)
        found = [_delivery(*entry) for entry in entries[:limit]]
        return found, found[-1].id if len(entries) > limit else None

    def sweep(self, age: float) -> int:
        """Forget what was received more than ``age`` seconds ago, of all tenants; return how much.

        The results are artifacts that nothing refers to after that.
        """
        before = server_ms(self._redis) - round(age * 1000)
        swept = 0
        for tenant in sorted({DEFAULT, *self._redis.smembers(f"{self._prefix}:tenants")}):
            groups = self._redis.zrange(f"{space(self._prefix, tenant)}:edge:groups", 0, -1)
            for group in groups:
                swept += int(self._scripts.run("edge_sweep", tenant, group, before, _SWEPT))
        return swept


def _delivery(entry: str, fields: dict[str, str]) -> Delivery:
    return Delivery(
        id=entry,
        box=fields["box"],
        name=fields["name"],
        spool=fields["spool"],
        before=int(fields["before"]),
        count=int(fields["count"]),
        artifact=fields["artifact"],
        received=int(entry.partition("-")[0]) / 1000,
    )
