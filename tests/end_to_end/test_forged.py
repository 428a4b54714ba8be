"""Messages that convq never sent, put into the queue of a running worker: they wake it, no more."""

from __future__ import annotations

import base64
import json
import pickle
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

import convq
from convq.stack import LocalStack
from core.settings import Settings
from core.store.connection import connect

pytestmark = pytest.mark.stack

# Where `core.queue` has Celery keep its messages.
QUEUE = "convq:celery:convq"


class Touch:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


def message(
    body: bytes,
    task: Any = "convq.run_job",
    content_type: str = "application/json",
    encoding: str = "utf-8",
    **headers: Any,
) -> str:
    """Return a message as kombu writes it to Redis."""
    number = str(uuid.uuid4())
    about = {"lang": "py", "task": task, "id": number, "root_id": number, "parent_id": None}
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": encoding,
            "content-type": content_type,
            "headers": about | headers,
            "properties": {
                "correlation_id": number,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "convq"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(uuid.uuid4()),
            },
        }
    )


def call(*args: Any, **options: Any) -> bytes:
    embedded = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return json.dumps([list(args), {}, embedded | options]).encode()


def forged(trap: Path) -> list[str]:
    pickled = pickle.dumps(([Touch(trap)], {}, {}))
    shell = {"task": "os.system", "args": [f"touch {trap}"], "kwargs": {}, "options": {}}
    return [
        message(pickled, content_type="application/x-python-serialize", encoding="binary"),
        # Says that it is JSON, and is not.
        message(pickled),
        message(b"!!python/object/apply:os.system [x]", content_type="application/x-yaml"),
        message(call(), task="os.system"),
        message(call(), task="celery.backend_cleanup"),
        message(call(shell, [[str(trap)]]), task="celery.map"),
        message(call(callbacks=[shell], errbacks=[shell])),
        message(call("no such job")),
        message(call("../../etc/passwd", {"$": 1}, None, -1)),
        message(call("x" * 5_000_000)),
        message(json.dumps({"not": "a call"}).encode()),
        message(call(), eta="no time", expires="never"),
        message(call(), retries="many", timelimit=[-1, "x"]),
    ]


def test_forged_messages_do_nothing_but_wake(stack: LocalStack, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    with connect(Settings(redis_url=stack.redis_url)) as client:
        records = before(client)
        for one in forged(trap):
            client.lpush(QUEUE, one)
        deadline = time.monotonic() + 60
        while client.llen(QUEUE) or client.zcard("convq:celery:unacked_index"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # The worker lives and works.
        with convq.Client(stack.url) as api:
            job = api.submit(inputs=[np.ones(9)], kernel={"preset": "box", "size": 3})
            assert api.wait(job, timeout=60).state == "succeeded"
            api.delete(job)
        assert not trap.exists()
        assert before(client) == records


def before(client: redis.Redis) -> set[str]:
    """Return the names of all records of jobs."""
    return set(client.scan_iter("convq:job:*"))
