"""Uploading, and turning what the caller has at hand into the body of a job."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from convq.client import arrays
from convq.client.flow import Flow, OnSent, Request, work
from convq.client.models import Artifact
from convq.client.plain import plain
from convq.client.retry import exchange
from convq.client.sources import Source, Uploadable, is_digest, source
from core.errors import ConvqError, IntegrityError, InvalidInput, NotFound, TooLarge

OnRefused: TypeAlias = Callable[[str, ConvqError], None]
"""Told the name of an input that is left out, and why."""

# What says that this input is not acceptable, and nothing against the others.
REFUSALS = (InvalidInput, TooLarge)

# Below this, asking whether the service has the bytes costs more than sending them.
ASK_FIRST = 64 << 10
# From here on they are digested while they are sent: reading them twice costs as long as sending
# them to a service nearby.
SEND_AT_ONCE = 64 << 20


def upload(value: Uploadable, on_sent: OnSent | None = None) -> Flow[Artifact]:
    """Store bytes, or a folder with a Zarr array, unless the service has them already."""
    if arrays.is_array(value):
        return (yield from arrays.upload_array(Path(value), upload, on_sent))
    body = yield from work(lambda: source(value, "artifact"))
    return (yield from _store(body, on_sent))


def job_body(
    kind: str, inputs: Any, spec: Mapping[str, Any], on_refused: OnRefused | None = None
) -> Flow[dict[str, Any]]:
    """Upload what is not uploaded yet, and return the body that describes the job.

    Raises
    ------
    InvalidInput
        If an input is refused and there is no ``on_refused``, or none is left.
    """
    body = {"kind": kind, **spec}
    if "kernel" in spec:
        body["kernel"] = yield from _kernel(spec["kernel"])
    for name, value in body.items():
        if isinstance(value, PathLike | Artifact):
            body[name] = yield from _digest(value, name)
    body = {name: plain(value, name) for name, value in body.items()}
    if inputs is None:
        return body
    items = inputs if isinstance(inputs, list | tuple) else [inputs]
    references: list[Any] = []
    for index, item in enumerate(items):
        field = f"inputs.{index}"
        try:
            references.append((yield from _input(item, field)))
        except REFUSALS as error:
            name = _name(item) or field
            if on_refused is None:
                raise _about(error, name, field) from error
            on_refused(name, error)
    if items and not references:
        raise none_left([_name(item) or f"inputs.{index}" for index, item in enumerate(items)])
    return body | {"inputs": references}


def none_left(names: list[str]) -> InvalidInput:
    """Return the error that every input, by these names, was refused."""
    return InvalidInput("every input was refused; there is no job", field="inputs", given=names)


def _name(item: Any) -> str | None:
    """Return what people call an input, if they have given it a name."""
    name = str(item) if isinstance(item, str | PathLike) else getattr(item, "name", None)
    return name if isinstance(name, str) else None


def _about(error: ConvqError, name: str, field: str) -> ConvqError:
    """Return an error about some bytes as one about the input that they are."""
    message = error.message if name == field else f"{name}: {error.message}"
    return type(error)(message, field=field, given=error.given, accepted=error.accepted)


def _input(item: Any, field: str) -> Flow[Any]:
    if isinstance(item, Mapping) or is_digest(item):
        return plain(item, field)
    if isinstance(item, Artifact):
        return item.digest
    if arrays.is_array(item):
        return {"artifact": (yield from upload(item)).digest, "name": Path(item).name}
    body = yield from work(lambda: source(item, field))
    if not body.name:
        return (yield from _store(body)).digest
    name = plain(body.name, f"{field}.name")
    return {"artifact": (yield from _store(body)).digest, "name": name}


def _kernel(kernel: Any) -> Flow[Any]:
    if isinstance(kernel, Mapping):
        return kernel
    if isinstance(kernel, list | tuple):
        return {"values": kernel}
    if isinstance(kernel, Artifact):
        return {"artifact": kernel.digest}
    if is_digest(kernel):
        return {"artifact": kernel}
    if isinstance(kernel, str):
        return {"preset": kernel}
    body = yield from work(lambda: source(kernel, "kernel"))
    artifact = yield from _store(body)
    return {"artifact": artifact.digest}


def _digest(value: PathLike[str] | Artifact, field: str) -> Flow[str]:
    if isinstance(value, Artifact):
        return value.digest
    body = yield from work(lambda: source(value, field))
    return (yield from _store(body)).digest


def _store(body: Source, on_sent: OnSent | None = None) -> Flow[Artifact]:
    digest = None
    if ASK_FIRST <= body.size < SEND_AT_ONCE:
        digest = yield from work(body.digest)
        known = yield from _known(digest)
        if known is not None:
            if on_sent is not None:
                on_sent(body.size)
            return known
    sent = ""

    def digested() -> Iterator[bytes]:
        # From the beginning, also where a request that was lost is sent again.
        nonlocal sent
        sha256 = hashlib.sha256()
        for chunk in body.chunks():
            sha256.update(chunk)
            yield chunk
        sent = f"sha256:{sha256.hexdigest()}"

    # The service finds the type by the content; a file's name can lie.
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(body.size)}
    answer = yield from exchange(
        Request("POST", "/v1/artifacts", headers=headers, chunks=digested, on_sent=on_sent)
    )
    artifact = Artifact.model_validate_json(answer.content)
    if artifact.digest != (digest or sent):
        raise IntegrityError(
            "other bytes arrived than were meant; did the file change meanwhile?",
            given=artifact.digest,
            accepted=digest or sent,
        )
    return artifact


def _known(digest: str) -> Flow[Artifact | None]:
    try:
        head = (yield from exchange(Request("HEAD", f"/v1/artifacts/{digest}"))).headers
    except NotFound:
        return None
    shape = head.get("Convq-Shape")
    return Artifact(
        digest=digest,
        size=int(head["Content-Length"]),
        media_type=head["Content-Type"],
        shape=None if shape is None else tuple(map(int, filter(None, shape.split(",")))),
        dtype=head.get("Convq-Dtype"),
    )
