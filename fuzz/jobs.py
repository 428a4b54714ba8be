"""Jobs of all kinds that compute on arrays, with odd inputs, kernels and options."""

from __future__ import annotations

import atexit
import json
import tempfile
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from convq.stack.redis_server import RedisServer
from core.conv.device import cpu
from core.errors import ConvqError, InvalidInput
from core.jobs.kind import Planning
from core.jobs.registry import by_name
from core.jobs.run import Run
from core.media import decode, inspect
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.connection import connect
from fuzz import arrays
from fuzz.options import OPTIONS

_MEMORY: Final = 1 << 30


def drawn(kind: str, random: Random) -> bytes:
    """Return a job with up to three inputs, and descriptions of all files that it needs, as JSON.

    Examples
    --------
    >>> sorted(json.loads(drawn("convolve", Random(0))))
    ['files', 'job']
    """
    files = [arrays.drawn(random) for _ in range(random.choice((2, 2, 3, 4)))]
    if random.randrange(2):
        # Templates and inputs, or a kernel and signals, that suit each other.
        alike = {name: files[0][name] for name in ("type", "shape", "dtype")}
        files = [file | alike for file in files]
    # The first is for the options.
    inputs = [f"file {number}" for number in range(1, len(files))]
    job = {"kind": kind, "inputs": inputs} | OPTIONS[kind](random)
    return json.dumps({"files": files, "job": job}).encode()


def work(content: bytes, scratch: Path) -> None:
    """Plan and run a job; raise as the service would answer, or the job end, with a defect."""
    artifacts = _artifacts()
    document = json.loads(content)
    text = json.dumps(document["job"])
    for number, description in enumerate(document["files"]):
        data = arrays.file_of(description)
        info = inspect(data)
        digest = artifacts.put(data, info.media_type, info.shape, info.dtype).digest
        text = text.replace(f'"file {number}"', f'"{digest}"')
    job = json.loads(text)
    kind = by_name(job["kind"])
    spec = kind.spec.model_validate(job)
    with suppress(ConvqError):
        inputs = {digest: artifacts.get(digest) for digest in kind.references(spec)}
        plan = kind.plan(spec, Planning(artifacts, inputs, cpu(), _MEMORY))
        json.dumps(plan, allow_nan=False)
    run = Run(
        artifacts=artifacts,
        device=cpu(),
        memory_cap=_MEMORY,
        scratch=scratch,
        total=kind.items(spec),
    )
    kind.run(spec, run)
    assert run.progress.done == run.progress.total
    json.dumps(run.failures, allow_nan=False)
    for result in run.results:
        # Other jobs are planned by what its record says.
        if result["shape"] is not None:
            array = decode(artifacts.read(result["digest"])).array
            assert list(array.shape) == result["shape"]
            assert array.dtype == result["dtype"]
    if not run.results:
        raise InvalidInput("no input could be processed")


@cache
def _artifacts() -> ArtifactStore:
    """Return an empty store with a Redis that ends with this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    server = stack.enter_context(RedisServer(folder / "redis"))
    client = stack.enter_context(connect(Settings(redis_url=server.url)))
    return ArtifactStore(str(folder / "artifacts"), client)
