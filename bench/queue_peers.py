"""What convq's queue is compared with: tasks that do nothing and have a result.

Each has one worker with one process, and a client that submits in a loop and fetches all results in
the quickest way that its library has.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIMEOUT = 120.0


class Skip(Exception):
    """The peer cannot be measured here; the text says why."""


@dataclass(frozen=True)
class Peer:
    """A task queue.

    Attributes
    ----------
    name, package : str
        For people, and what must be installed.
    command : tuple of str
        Starts its worker, after ``python -m``.
    submit : callable
        ``submit(count)`` sends so many tasks and returns what `wait` needs.
    wait : callable
        Returns when all of them have their results.
    """

    name: str
    package: str
    command: tuple[str, ...]
    submit: Callable[[int], Any]
    wait: Callable[[Any], None]


def _submit_celery(count: int) -> Any:
    from bench.queue_celery import nothing

    return [nothing.delay() for _ in range(count)]


def _wait_celery(results: Any) -> None:
    for result in results:
        result.get(timeout=_TIMEOUT)


def _submit_dramatiq(count: int) -> Any:
    from bench.queue_dramatiq import nothing

    return [nothing.send() for _ in range(count)]


def _wait_dramatiq(messages: Any) -> None:
    for message in messages:
        message.get_result(block=True, timeout=round(_TIMEOUT * 1000))


def nothing() -> int:
    """Do nothing, for RQ."""
    return 0


def _submit_rq(count: int) -> Any:
    import redis
    from rq import Queue

    queue = Queue(connection=redis.Redis.from_url(os.environ["BENCH_REDIS"]))
    done = queue.finished_job_registry.count
    # By name: this module may be the main one.
    for _ in range(count):
        queue.enqueue("bench.queue_peers.nothing")
    return queue, done + count


def _wait_rq(submitted: Any) -> None:
    queue, expected = submitted
    deadline = time.monotonic() + _TIMEOUT
    while queue.finished_job_registry.count < expected:
        if time.monotonic() > deadline:
            raise TimeoutError("RQ did not finish")
        time.sleep(0.0005)


_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR")

PEERS = (
    Peer(
        "Celery",
        "celery",
        ("celery", "-A", "bench.queue_celery", "worker", "-c", "1", *_QUIET),
        _submit_celery,
        _wait_celery,
    ),
    Peer(
        "RQ",
        "rq",
        # Its usual worker forks for each task, which takes many times as long.
        ("rq.cli", "worker", "--worker-class", "rq.SimpleWorker", "--quiet", "--url", "{redis}"),
        _submit_rq,
        _wait_rq,
    ),
    Peer(
        "Dramatiq",
        "dramatiq",
        ("dramatiq", "bench.queue_dramatiq", "-p", "1"),
        _submit_dramatiq,
        _wait_dramatiq,
    ),
)


@contextmanager
def running(peer: Peer, log: Path) -> Iterator[None]:
    """Run the peer's worker; raises Skip where it is not installed."""
    if importlib.util.find_spec(peer.package) is None:
        raise Skip(f"{peer.package} is not installed")
    command = [part.format(redis=os.environ["BENCH_REDIS"]) for part in peer.command]
    with log.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=file, stderr=subprocess.STDOUT
        )
        try:
            peer.wait(peer.submit(1))  # the first waits for the worker to be up
            yield
        finally:
            worker.terminate()
            worker.wait(30)
