"""Uploading, and turning what the caller has at hand into the body of a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convq.client.flow import Flow, OnSent, Request, work
from convq.client.models import Artifact
from convq.client.retry import exchange
from convq.client.sources import Source, Uploadable, is_digest, source
from core.errors import IntegrityError, NotFound

# Below this, asking whether the service has the bytes costs more than sending them.
ASK_FIRST = 64 << 10


def upload(value: Uploadable, on_sent: OnSent | None = None) -> Flow[Artifact]:
    """Store bytes, unless the service has them already."""
    body = yield from work(lambda: source(value, "artifact"))
    return (yield from _store(body, on_sent))


def job_body(kind: str, inputs: Any, spec: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """Upload what is not uploaded yet, and return the body that describes the job."""
    references = []
    for item in inputs if isinstance(inputs, list | tuple) else [inputs]:
        references.append((yield from _input(item)))  # noqa: PERF401 - only a loop can yield
    body = {"kind": kind, "inputs": references, **spec}
    if "kernel" in spec:
        body["kernel"] = yield from _kernel(spec["kernel"])
    return body


def _input(item: Any) -> Flow[Any]:
    if isinstance(item, Mapping) or is_digest(item):
        return item
    if isinstance(item, Artifact):
        return item.digest
    body = yield from work(lambda: source(item, "inputs"))
    artifact = yield from _store(body)
    return {"artifact": artifact.digest, "name": body.name} if body.name else artifact.digest


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


def _store(body: Source, on_sent: OnSent | None = None) -> Flow[Artifact]:
    digest = yield from work(body.digest)
    if body.size >= ASK_FIRST:
        known = yield from _known(digest)
        if known is not None:
            if on_sent is not None:
                on_sent(body.size)
            return known
    # The service finds the type by the content; a file's name can lie.
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(body.size)}
    answer = yield from exchange(
        Request("POST", "/v1/artifacts", headers=headers, chunks=body.chunks, on_sent=on_sent)
    )
    artifact = Artifact.model_validate_json(answer.content)
    if artifact.digest != digest:
        raise IntegrityError(
            "other bytes arrived than were meant; did the file change meanwhile?",
            given=artifact.digest,
            accepted=digest,
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
