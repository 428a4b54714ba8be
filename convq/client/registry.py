"""The operations on models: how each is asked for, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from convq.client.downloads import save
from convq.client.flow import Flow, Request, work
from convq.client.models import Artifact, Job, ModelVersion, RegisteredModel
from convq.client.operations import get
from convq.client.retry import exchange
from convq.client.sources import is_digest
from convq.client.uploads import upload
from core.store.references import parse_reference

Origin: TypeAlias = Job | Artifact | str | PathLike[str]
"""A job or its id, an artifact or its digest, or a model's file."""

_PAGE = 200
# The service reads and writes the whole model before it answers.
_PATIENCE = 300.0


def register(name: str, origin: Origin) -> Flow[ModelVersion]:
    """Make a version of the model that a job made, or that a file holds."""
    if isinstance(origin, PathLike):
        origin = yield from upload(Path(origin))
    if isinstance(origin, Job):
        body = {"job": origin.id}
    elif isinstance(origin, Artifact):
        body = {"artifact": origin.digest}
    else:
        body = {"artifact" if is_digest(origin) else "job": origin}
    answer = yield from exchange(Request("POST", _path(name), json=body, timeout=_PATIENCE))
    return ModelVersion.model_validate_json(answer.content)


def model(name: str) -> Flow[RegisteredModel]:
    """Read a model with all its versions."""
    found = yield from get(_path(name), RegisteredModel, limit=str(_PAGE))
    versions, cursor = list(found.versions), found.next
    while cursor is not None:
        page = yield from get(_path(name), RegisteredModel, limit=str(_PAGE), cursor=str(cursor))
        versions, cursor = [*versions, *page.versions], page.next
    return found.model_copy(update={"versions": versions, "next": None})


def version(reference: str) -> Flow[ModelVersion]:
    """Read the version that a reference means now."""
    name, number = yield from resolve(reference)
    return (yield from get(_path(name, "versions", str(number)), ModelVersion))


def resolve(reference: str) -> Flow[tuple[str, int]]:
    """Return the name and the number of the version that a reference means now.

    Raises
    ------
    NotFound
        There is no such model or alias.
    """
    name, selector = parse_reference(reference)
    if isinstance(selector, int):
        return name, selector
    known = yield from get(_path(name), RegisteredModel, limit="1")
    return name, known.number(selector)


def point(name: str, alias: str, number: int) -> Flow[RegisteredModel]:
    """Let an alias mean a version from now on."""
    answer = yield from exchange(
        Request("PUT", _path(name, "aliases", alias), json={"version": number})
    )
    return RegisteredModel.model_validate_json(answer.content)


def unpoint(name: str, alias: str) -> Flow[None]:
    """Remove an alias."""
    yield from exchange(Request("DELETE", _path(name, "aliases", alias), repeatable=False))


def delete(reference: str) -> Flow[None]:
    """Delete a version."""
    name, number = yield from resolve(reference)
    path = _path(name, "versions", str(number))
    yield from exchange(Request("DELETE", path, repeatable=False))


def download(reference: str, path: Path) -> Flow[Path]:
    """Write the file of a version, verified, to ``path``."""
    found = yield from version(reference)
    return (yield from save(found.digest, path))


def export(reference: str, path: Path) -> Flow[Path]:
    """Write a version as an ONNX file to ``path``."""
    name, number = yield from resolve(reference)
    request = Request("GET", _path(name, "versions", str(number), "onnx"), timeout=_PATIENCE)
    answer = yield from exchange(request)
    yield from work(partial(_write, answer.content, path))
    return path


class ModelPages:
    """All models by name, a page at a time."""

    def __init__(self) -> None:
        self._params = {"limit": str(_PAGE)}
        self._page: Iterator[RegisteredModel] = iter(())
        self._more = True

    def next(self) -> Flow[RegisteredModel | None]:
        """Return the next model, ``None`` after the last."""
        while True:
            for found in self._page:
                return found
            if not self._more:
                return None
            answer = yield from exchange(Request("GET", "/v1/models", params=self._params))
            page = json.loads(answer.content)
            self._page = iter([RegisteredModel.model_validate(m) for m in page["models"]])
            self._more = page["next"] is not None
            self._params = {**self._params, "cursor": page["next"]}

    def close(self) -> Flow[None]:
        """Let go of what the iteration holds: nothing, between pages."""
        yield from ()


def _path(name: str, *parts: str) -> str:
    return "/".join(["/v1/models", *(quote(part, safe="") for part in (name, *parts))])


def _write(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
