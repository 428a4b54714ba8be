"""Boxes at the edge: groups of them, what they should run, and how a release is rolled out.

A box belongs to a group, and its id is the id of its API key. A roll-out gives a release to a share
of a group's boxes, to a larger share when all of these run it, and at last to all; it stops when
one of them refuses it. Every transition is one Lua script.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from core.errors import Conflict, InvalidInput, NotFound
from core.store.base import TenantStore
from core.store.keys import SECRET_BYTES, new_key_id
from core.store.tenants import space

STAGES: Final = (5, 50, 100)
"""Percentages of a group's boxes that get a release, one after the other."""

GROUP_PATTERN: Final = r"^[a-z0-9][a-z0-9-]{0,62}$"
BOX_PATTERN: Final = r"^[2-9a-km-np-z]{10}$"

# Jobs that one look at a group fails.
_SUPERSEDED = 100

_TOKEN = "convqbox"  # noqa: S105 - what a token begins with
_TOKEN_FORM = re.compile(rf"{_TOKEN}_([2-9a-km-np-z]{{10}})_([A-Za-z0-9_-]{{1,100}})")


@dataclass(frozen=True)
class Release:
    """A bundle that a group's boxes run, or will.

    Attributes
    ----------
    digest, size : str, int
        Of the bundle, an artifact.
    name, sequence : str, int
        What the model is called, and which version it is to boxes.
    profile : str
        The board that it is for.
    key : str
        The public key that signed it, in hexadecimal.
    model : str or None
        Digest of the model's file that it was made of, where the bundle says so.
    latency : float or None
        Seconds that one image takes on the board, as predicted when the bundle was made.
    """

    digest: str
    size: int
    name: str
    sequence: int
    profile: str
    key: str
    model: str | None = None
    latency: float | None = None


@dataclass(frozen=True)
class RollOut:
    """The last roll-out of a group.

    Attributes
    ----------
    release : Release
        What is rolled out.
    state : {"rolling", "stopped", "done"}
        ``stopped`` after a box refused it, or an operator said so.
    reason : str or None
        Why it stopped.
    share : int
        Percentage of the boxes that get it at this stage.
    chosen, good : int
        How many boxes get it, and how many of these run it and have proved it.
    began : float
        In seconds since the epoch.
    """

    release: Release
    state: Literal["rolling", "stopped", "done"]
    reason: str | None
    share: int
    chosen: int
    good: int
    began: float


@dataclass(frozen=True)
class Group:
    """Boxes that run the same version.

    Attributes
    ----------
    name : str
        Unique within the tenant.
    boxes : int
        How many there are.
    release : Release or None
        What all of them should run.
    rollout : RollOut or None
        The last one.
    created : float
        In seconds since the epoch.
    """

    name: str
    boxes: int
    release: Release | None
    rollout: RollOut | None
    created: float

    @property
    def releases(self) -> list[Release]:
        """What its boxes run: the release for all, and the one of the last roll-out."""
        rolled_out = None if self.rollout is None else self.rollout.release
        found = [release for release in (self.release, rolled_out) if release is not None]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Box:
    """A box. Times are seconds since the epoch.

    Attributes
    ----------
    id : str
        Also the id of its API key.
    tenant, group, name : str
        ``name`` is what it calls itself.
    about : dict
        What it said when it enrolled.
    health : dict or None
        Its last report.
    created, seen : float
        ``seen`` is None before it has said anything.
    """

    id: str
    tenant: str
    group: str
    name: str
    about: dict[str, Any]
    health: dict[str, Any] | None
    created: float
    seen: float | None

    @property
    def worker(self) -> str:
        """What it is called in the records of jobs; several boxes may have one name."""
        return f"{self.name} ({self.id})"


class EdgeStore(TenantStore):
    """Reads and changes the groups and boxes of one tenant, the default one unless `of` is used.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.
    """

    # -- boxes ------------------------------------------------------------------------------

    def invite(self, group: str, lasts: float) -> str:
        """Return a token with which one box can enrol; the group is made if there is none.

        Parameters
        ----------
        group : str
            The group that the box will belong to.
        lasts : float
            Seconds until the token expires.

        Raises
        ------
        InvalidInput
            No group can be called so.
        """
        _check_group(group)
        token, secret = new_key_id(), secrets.token_urlsafe(SECRET_BYTES)
        self._scripts.run(
            "edge_invite", token, _digest(secret), self._tenant, group, round(lasts * 1000)
        )
        return f"{_TOKEN}_{token}_{secret}"

    def enrol(
        self, token: str, group: str, *, digest: str, name: str, about: dict[str, Any]
    ) -> str:
        """Make a box of whoever has a token, of the token's tenant; return its id.

        The same box with the same token gets the same answer again, as the first may be lost.

        Parameters
        ----------
        token, group : str
            From `invite`.
        digest : str
            SHA-256 of the secret that the box has made, in hexadecimal: that of its API key.
        name, about
            As in `Box`.

        Raises
        ------
        InvalidInput
            The token is not known, has expired, was used by another box, or is for another group.
        """
        found = _TOKEN_FORM.fullmatch(token)
        token_id, secret = found.groups() if found else ("", "")
        known = self._redis.hget(f"{self._prefix}:edge:token:{token_id}", "digest") if found else ""
        if not hmac.compare_digest(known or "", _digest(secret)):
            # What was given is not repeated: it is somebody's secret.
            raise _no_token("the token is not known, or has expired")
        outcome, value = self._scripts.run(
            "edge_enrol", token_id, new_key_id(), digest, group, name, json.dumps(about)
        )
        if outcome == "group":
            raise InvalidInput(
                "the token is for another group", field="group", given=group, accepted=value
            )
        if outcome != "enrolled":
            raise _no_token("the token has expired, or another box has used it")
        return str(value)

    def box(self, box: str) -> Box:
        """Return what is known of a box, or raise `NotFound`."""
        record: dict[str, str] = self._redis.hgetall(self._box_key(box))
        if not record or record["tenant"] != self._tenant:
            raise _no_box(box)
        return _box(box, record)

    def boxes(self, group: str) -> list[Box]:
        """Return the boxes of a group, the oldest first, or raise `NotFound`."""
        self._check(group)
        ids: list[str] = self._redis.zrange(self._group_key(group, "boxes"), 0, -1)
        pipeline = self._redis.pipeline(transaction=False)
        for box in ids:
            pipeline.hgetall(self._box_key(box))
        found = zip(ids, pipeline.execute(), strict=True)
        return [_box(box, record) for box, record in found if record]

    def remove(self, box: str) -> None:
        """Forget a box and its API key; a roll-out waits for it no longer. Raises `NotFound`."""
        self.box(box)
        self._scripts.run("edge_remove", box)

    def report(
        self,
        box: str,
        health: dict[str, Any],
        *,
        proved: str | None,
        refused: tuple[str, str] | None,
    ) -> None:
        """Note how a box is; a roll-out goes on, or stops.

        Parameters
        ----------
        box : str
            Who says so.
        health : dict
            JSON-ready.
        proved : str or None
            Digest of the bundle that it runs and that has proved itself.
        refused : (str, str) or None
            Digest of the bundle that it refused last, and why.
        """
        digest, why = refused or ("", "")
        self._scripts.run("edge_report", box, json.dumps(health), proved or "", digest, why)

    def wanted(self, box: str) -> Release | None:
        """Return the release that a box should run, if there is one."""
        answer = self._scripts.run("edge_wanted", box)
        return _release(*answer) if answer else None

    def bell_key(self, group: str) -> str:
        """Return the key of the stream that grows when there is a job for the boxes of a group."""
        return self._group_key(group, "bell")

    def supersede(self, group: str) -> int:
        """Fail jobs whose model no box of the group runs or will run; return how many."""
        return int(self._scripts.run("edge_supersede", self._tenant, group, _SUPERSEDED))

    # -- groups -----------------------------------------------------------------------------

    def groups(self) -> list[Group]:
        """Return all groups, by name."""
        names: list[str] = self._redis.zrange(f"{self._space}:edge:groups", 0, -1)
        return [self.group(name) for name in names]

    def group(self, name: str) -> Group:
        """Return a group, or raise `NotFound`."""
        pipeline = self._redis.pipeline()
        pipeline.hgetall(self._group_key(name))
        pipeline.hgetall(self._group_key(name, "releases"))
        pipeline.zcard(self._group_key(name, "boxes"))
        pipeline.scard(self._group_key(name, "chosen"))
        pipeline.scard(self._group_key(name, "good"))
        record, known, boxes, chosen, good = pipeline.execute()
        if not record:
            raise _no_group(name)
        releases = {digest: _release(digest, about) for digest, about in known.items()}
        rollout = None
        if "candidate" in record:
            rollout = RollOut(
                release=releases[record["candidate"]],
                state=record["state"],
                reason=record.get("reason"),
                share=json.loads(record["stages"])[int(record["stage"]) - 1],
                chosen=chosen,
                good=good,
                began=int(record["began"]) / 1000,
            )
        return Group(
            name=name,
            boxes=boxes,
            release=releases.get(record.get("stable", "")),
            rollout=rollout,
            created=int(record["created"]) / 1000,
        )

    def roll_out(self, group: str, release: Release, stages: Sequence[int] = STAGES) -> Group:
        """Begin to roll out a release, in place of what was rolled out before.

        Parameters
        ----------
        group : str
            Whose boxes get it; made if there is none.
        release : Release
            The same one again changes nothing.
        stages : sequence of int
            Percentages, rising to 100.

        Raises
        ------
        Conflict
            Its sequence is not higher than all before: boxes would refuse it.
        NotFound
            The artifact does not exist.
        """
        _check_group(group)
        about = {name: value for name, value in vars(release).items() if name != "digest"}
        outcome, value = self._scripts.run(
            "edge_roll_out",
            self._tenant,
            group,
            release.digest,
            release.sequence,
            json.dumps(about),
            json.dumps(list(stages)),
        )
        if outcome == "missing":
            raise NotFound("there is no such artifact", field="artifact", given=release.digest)
        if outcome == "older":
            raise Conflict(
                "boxes take no version that is not newer than those before",
                field="sequence",
                given=release.sequence,
                accepted=f"more than {value}; convq bundle --sequence sets it",
            )
        return self.group(group)

    def stop(self, group: str, reason: str) -> Group:
        """Let no further box have the release that is rolled out."""
        return self._steer(group, "stop", reason, ("rolling", "stopped"))

    def resume(self, group: str) -> Group:
        """Go on with the next stage of a roll-out, whatever the boxes of this one say."""
        return self._steer(group, "resume", "", ("rolling", "stopped"))

    def _steer(self, group: str, verb: str, reason: str, accepted: tuple[str, ...]) -> Group:
        self._check(group)
        state = self._scripts.run("edge_steer", self._tenant, group, verb, reason)
        if state not in accepted:
            raise Conflict(
                "nothing is rolled out in this group",
                field="state",
                given=state,
                accepted=list(accepted),
            )
        return self.group(group)

    def _check(self, group: str) -> None:
        if not self._redis.exists(self._group_key(group)):
            raise _no_group(group)

    @property
    def _space(self) -> str:
        return space(self._prefix, self._tenant)

    def _group_key(self, group: str, part: str = "") -> str:
        return f"{self._space}:edge:group:{group}" + (f":{part}" if part else "")

    def _box_key(self, box: str) -> str:
        return f"{self._prefix}:edge:box:{box}"


def _box(box: str, record: dict[str, str]) -> Box:
    return Box(
        id=box,
        tenant=record["tenant"],
        group=record["group"],
        name=record["name"],
        about=json.loads(record["about"]),
        health=json.loads(record["health"]) if "health" in record else None,
        created=int(record["created"]) / 1000,
        seen=int(record["seen"]) / 1000 if "seen" in record else None,
    )


def _release(digest: str, about: str) -> Release:
    return Release(digest=digest, **json.loads(about))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check_group(name: str) -> None:
    if re.fullmatch(GROUP_PATTERN, name) is None:
        raise InvalidInput(
            "no name for a group",
            field="group",
            given=name,
            accepted="at most 63 lower-case letters, digits and dashes",
        )


def _no_token(why: str) -> InvalidInput:
    return InvalidInput(why, field="token", accepted="what `convq edge enrol` printed")


def _no_group(name: str) -> NotFound:
    return NotFound("there is no such group", field="group", given=name)


def _no_box(box: str) -> NotFound:
    return NotFound("there is no such box", field="box", given=box)
