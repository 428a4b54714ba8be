"""Fetching results: whole or broken off, the bytes that arrive are the bytes that were stored."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

import httpx

from convq.client.arrays import save_array
from convq.client.flow import Flow, Request, close, read, sleep, work
from convq.client.models import Job, Result
from convq.client.operations import results as list_results
from convq.client.retry import PAUSES, open_once
from convq.client.sink import Sink
from core.errors import IntegrityError, InvalidInput, NotFound, Unavailable

NPY = "application/x-npy"
ZARR = "application/vnd.convq.zarr+json"


def fetch(of: Job | str, name: str | None, as_: object) -> Flow[Any]:
    """Fetch one result as an array, as bytes, or into the file that a path names."""
    if not (as_ in ("array", "bytes") or isinstance(as_, Path)):
        raise InvalidInput(
            "no such form", field="as_", given=as_, accepted=["array", "bytes", "a Path"]
        )
    chosen = yield from choose(of, name)
    if as_ == "array":
        return (yield from _array(chosen))
    if as_ == "bytes":
        memory = io.BytesIO()
        yield from receive(chosen.digest, memory)
        return memory.getvalue()
    assert isinstance(as_, Path)
    return (yield from _save(chosen, as_))


def choose(of: Job | str, name: str | None) -> Flow[Result]:
    """Return the result of that name; without a name, the only one."""
    found = (yield from list_results(of)).results
    if name is None and len(found) == 1:
        return found[0]
    named = [result for result in found if result.name == name]
    if named:
        return named[0]
    if name is None and found:
        raise InvalidInput(
            "the job has several results; say which",
            field="name",
            accepted=[result.name for result in found[:10]],
        )
    raise NotFound(
        "the job has no such result" if found else "the job has no results",
        field="name",
        given=name,
        accepted=[result.name for result in found[:10]] or None,
    )


def download(of: Job | str, folder: Path) -> Flow[list[Path]]:
    """Write all results into ``folder``, by their names, and return the files."""
    found = (yield from list_results(of)).results
    paths = [target(folder, result.name) for result in found]
    folder.mkdir(parents=True, exist_ok=True)
    for result, path in zip(found, paths, strict=True):
        yield from _save(result, path)
    return paths


def _save(result: Result, path: Path) -> Flow[Path]:
    if result.media_type == ZARR:
        return (yield from save_array(result.digest, path, receive, save))
    return (yield from save(result.digest, path))


def save(digest: str, path: Path) -> Flow[Path]:
    """Stream an artifact into a file, which appears only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            yield from receive(digest, file)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def target(folder: Path, name: str) -> Path:
    """Return where in ``folder`` the result ``name`` goes.

    Raises
    ------
    IntegrityError
        If the name would lead out of the folder.

    Examples
    --------
    >>> target(Path("out"), "cat.png").as_posix()
    'out/cat.png'
    """
    parts = PurePosixPath(name)
    if not parts.name or parts.is_absolute() or ".." in parts.parts or "\\" in name:
        raise IntegrityError("the name of a result leads out of its folder", given=name)
    return folder / parts


def receive(digest: str, file: IO[bytes], accept: str | None = None) -> Flow[None]:
    """Write an artifact to ``file``, at first empty, as it is stored or converted.

    A connection that breaks is taken up again where it broke; a conversion starts anew.

    Raises
    ------
    IntegrityError
        If the stored bytes do not arrive as they were stored.
    """
    with Sink(file) as sink:
        arrived = yield from _receive(digest, sink, accept)
    if accept is None and arrived != digest:
        raise IntegrityError("the bytes were damaged on their way", given=arrived, accepted=digest)


def _receive(digest: str, sink: Sink, accept: str | None) -> Flow[str]:
    received, furthest, pauses = 0, 0, iter(PAUSES)
    while True:
        headers = {"Accept-Encoding": "identity"}
        if accept is not None:
            headers["Accept"] = accept
        elif received:
            headers["Range"] = f"bytes={received}-"
        try:
            stream = yield from open_once(
                Request("GET", f"/v1/artifacts/{digest}", headers=headers)
            )
            try:
                if stream.response.status_code != httpx.codes.PARTIAL_CONTENT:
                    yield from work(sink.restart)
                    received = 0
                while chunk := (yield from read(stream)):
                    if sink.take(chunk):
                        yield from work(sink.pass_on)
                    received += len(chunk)
                    # Only what has never arrived before is progress.
                    if received > furthest:
                        furthest, pauses = received, iter(PAUSES)
            finally:
                yield from close(stream)
            return (yield from work(sink.finish))
        except Unavailable:
            pause = next(pauses, None)
            if pause is None:
                raise
        yield from sleep(pause)


def _array(result: Result) -> Flow[Any]:
    import numpy as np

    with tempfile.TemporaryFile() as file:
        yield from receive(result.digest, file, None if result.media_type == NPY else NPY)
        file.seek(0)
        return (yield from work(partial(np.load, file, allow_pickle=False)))
