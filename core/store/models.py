"""The registry of models: names, versions, and aliases that point to versions.

A version is a model file (an artifact) and what is known of it. Versions are counted from 1 and
never counted twice; the same file is registered once under a name. The artifacts of a version are
kept as long as the version is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import Conflict, InvalidInput, NotFound
from core.store.base import TenantStore
from core.store.references import ALIAS_PATTERN, LATEST, NAME_PATTERN, parse_reference
from core.store.tenants import space


@dataclass(frozen=True)
class Version:
    """One version of a model.

    Attributes
    ----------
    model : str
        Its name.
    number : int
        1 for the first.
    digest : str
        The artifact with the model file.
    job : str or None
        The job that made it.
    metrics : dict
        How good it was when it was made, for example ``{"accuracy": 0.991}``.
    document : str
        Everything else that is known (see `core.store.documents`).
    aliases : tuple of str
        That point to it, sorted.
    created : float
        When it was registered, in seconds since the epoch.
    """

    model: str
    number: int
    digest: str
    job: str | None
    metrics: dict[str, float]
    document: str
    aliases: tuple[str, ...]
    created: float


@dataclass(frozen=True)
class RegisteredModel:
    """A name that has versions.

    Attributes
    ----------
    name : str
        As in references.
    versions : int
        How many there are.
    latest : int
        Number of the newest.
    aliases : dict
        Version by alias, sorted.
    created : float
        When the first version was registered, in seconds since the epoch.
    """

    name: str
    versions: int
    latest: int
    aliases: dict[str, int]
    created: float


class ModelPage(NamedTuple):
    """Some models by name, and where the next page starts (None at the end)."""

    models: list[RegisteredModel]
    cursor: str | None


class VersionPage(NamedTuple):
    """Some versions, newest first, and before which the next page goes on (None at the end)."""

    versions: list[Version]
    cursor: int | None


class ModelStore(TenantStore):
    """Reads and changes the registry of one tenant, the default one unless `of` is used.

    Parameters
    ----------
    client : redis.Redis
        A client that decodes responses.
    prefix : str
        First part of every key.
    """

    def register(
        self,
        name: str,
        *,
        digest: str,
        document: str,
        metrics: dict[str, float],
        job: str | None = None,
        artifacts: Sequence[str] = (),
    ) -> tuple[Version, bool]:
        """Record a version; return it and whether it is new.

        Parameters
        ----------
        name : str
            Of the model; it is made with its first version.
        digest : str
            The artifact with the model file. The same file again gives the version that it gave
            before.
        document, metrics, job
            As in `Version`.
        artifacts : sequence of str
            Further digests that are to be kept with it.

        Raises
        ------
        InvalidInput
            The name is malformed.
        NotFound
            An artifact does not exist.
        """
        _check(NAME_PATTERN, name, "name", "no name for a model")
        fields = {"document": document, "metrics": json.dumps(metrics)}
        if job is not None:
            fields["job"] = job
        number, outcome = self._scripts.run(
            "register_model",
            self._tenant,
            name,
            digest,
            json.dumps(fields),
            digest,
            *artifacts,
        )
        if number == "missing":
            raise NotFound("there is no such artifact; upload it first", given=outcome)
        return self.version(name, number), bool(outcome)

    def model(self, name: str) -> RegisteredModel:
        """Return what is known under a name, or raise `NotFound`."""
        found = self._models([name])
        if not found:
            raise _unknown(name)
        return found[0]

    def models(self, *, limit: int = 50, cursor: str | None = None) -> ModelPage:
        """Return a page of models, by name; it starts after the name ``cursor``."""
        names: list[str] = self._redis.zrangebylex(
            f"{self._space()}:models", f"({cursor}" if cursor else "-", "+", start=0, num=limit + 1
        )
        more = len(names) > limit
        return ModelPage(self._models(names[:limit]), names[limit - 1] if more else None)

    def version(self, name: str, number: int) -> Version:
        """Return a version, or raise `NotFound`."""
        found = self._versions(name, [number])
        if not found:
            self.model(name)
            raise _unknown_version(name, number)
        return found[0]

    def versions(self, name: str, *, limit: int = 50, before: int | None = None) -> VersionPage:
        """Return a page of versions, newest first, that are older than ``before``.

        Raises
        ------
        NotFound
            There is no such model.
        """
        upper = "+inf" if before is None else f"({before}"
        numbers: list[str] = self._redis.zrevrangebyscore(
            self._key(name, "versions"), upper, "-inf", start=0, num=limit + 1
        )
        if not numbers:
            self.model(name)
        shown = [int(number) for number in numbers[:limit]]
        more = len(numbers) > limit
        return VersionPage(self._versions(name, shown), shown[-1] if more else None)

    def resolve(self, reference: str) -> Version:
        """Return the version that ``name``, ``name@3`` or ``name@production`` means now.

        ``name`` alone and ``name@latest`` mean the newest version.

        Raises
        ------
        InvalidInput
            It is no reference.
        NotFound
            There is no such model, version or alias.
        """
        name, selector = parse_reference(reference)
        if isinstance(selector, int):
            return self.version(name, selector)
        model = self.model(name)
        if selector is None:
            return self.version(name, model.latest)
        if selector not in model.aliases:
            raise NotFound(
                "the model has no such alias",
                field="model",
                given=reference,
                accepted=[LATEST, *model.aliases],
            )
        return self.version(name, model.aliases[selector])

    def point(self, name: str, alias: str, number: int) -> None:
        """Let an alias mean a version from now on.

        Raises
        ------
        InvalidInput
            The alias is malformed, or ``latest``.
        NotFound
            There is no such model or version.
        """
        _check(ALIAS_PATTERN, alias, "alias", "no alias")
        if alias == LATEST:
            raise InvalidInput("latest is always the newest version", field="alias", given=alias)
        if not self._scripts.run("alias_model", self._tenant, name, alias, number):
            self.model(name)
            raise _unknown_version(name, number)

    def unpoint(self, name: str, alias: str) -> None:
        """Remove an alias.

        Raises
        ------
        NotFound
            There is no such model or alias.
        """
        if not self._redis.hdel(self._key(name, "aliases"), alias):
            known = self.model(name).aliases
            raise NotFound(
                "the model has no such alias", field="alias", given=alias, accepted=list(known)
            )

    def delete(self, name: str, number: int) -> None:
        """Delete a version; its files go when nothing else needs them.

        Raises
        ------
        NotFound
            There is no such model or version.
        Conflict
            An alias points to it.
        """
        outcome, *aliases = self._scripts.run("delete_model", self._tenant, name, number)
        if outcome == "unknown":
            self.model(name)
            raise _unknown_version(name, number)
        if outcome == "aliased":
            raise Conflict(
                "an alias points to this version; let it point to another one, or delete it",
                field="version",
                given=f"{number}, {', '.join(sorted(aliases))}",
                accepted="a version without aliases",
            )

    def _models(self, names: list[str]) -> list[RegisteredModel]:
        pipeline = self._redis.pipeline()
        for name in names:
            pipeline.hget(self._key(name), "created")
            pipeline.zcard(self._key(name, "versions"))
            pipeline.zrevrange(self._key(name, "versions"), 0, 0)
            pipeline.hgetall(self._key(name, "aliases"))
        answers = pipeline.execute()
        found = []
        for place, name in enumerate(names):
            created, count, newest, aliases = answers[4 * place : 4 * place + 4]
            if newest:
                pointing = {alias: int(aliases[alias]) for alias in sorted(aliases)}
                latest = int(newest[0])
                found.append(RegisteredModel(name, count, latest, pointing, int(created) / 1000))
        return found

    def _versions(self, name: str, numbers: list[int]) -> list[Version]:
        pipeline = self._redis.pipeline()
        pipeline.hgetall(self._key(name, "aliases"))
        for number in numbers:
            pipeline.hgetall(self._key(name, f"version:{number}"))
        aliases, *records = pipeline.execute()
        return [_from_record(name, record, aliases) for record in records if record]

    def _space(self) -> str:
        return space(self._prefix, self._tenant)

    def _key(self, name: str, part: str = "") -> str:
        return f"{self._space()}:model:{name}" + (f":{part}" if part else "")


def _check(pattern: str, given: str, field: str, message: str) -> None:
    if re.fullmatch(pattern, given) is None:
        raise InvalidInput(
            message,
            field=field,
            given=given,
            accepted=f"letters, digits, dots, dashes and underscores: {pattern}",
        )


def _from_record(name: str, record: dict[str, str], aliases: dict[str, str]) -> Version:
    return Version(
        model=name,
        number=int(record["version"]),
        digest=record["digest"],
        job=record.get("job"),
        metrics=json.loads(record["metrics"]),
        document=record["document"],
        aliases=tuple(sorted(a for a, number in aliases.items() if number == record["version"])),
        created=int(record["created"]) / 1000,
    )


def _unknown(name: str) -> NotFound:
    return NotFound("there is no such model", field="name", given=name)


def _unknown_version(name: str, number: int) -> NotFound:
    return NotFound(f"the model {name} has no such version", field="version", given=number)
