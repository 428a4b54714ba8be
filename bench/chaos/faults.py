"""What can go wrong, one function each.

A fault is done to the arena. In the moment in which it strikes it yields the ids of the jobs that
it strikes: those that must get going again by themselves. What lasts for a while is undone then.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from redis.exceptions import RedisError

from bench.chaos.arena import FAR, Arena, wait_until
from core.queue import messages_key
from core.settings import Settings
from core.store.jobs import Job

MESSAGES = messages_key("convq")
MAX_ATTEMPTS = Settings().max_attempts

Strike = Callable[[Arena, random.Random], Iterator[list[str]]]


class Fault(NamedTuple):
    """A way to do harm.

    Attributes
    ----------
    name, what : str
        For the report.
    strike : callable
        Does it, and yields whom it strikes.
    share : int
        How often, in a run with 200 kills.
    kill : bool
        Whether it counts as one.
    needs : str
        What the machine must allow (a key of `Arena.skipped`), or nothing.
    """

    name: str
    what: str
    strike: Strike
    share: int
    kill: bool = False
    needs: str = ""


class Missed(Exception):
    """There was nothing to strike."""


def kill_worker(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Kill a worker's parent and, with it, its child; one that has something to do, if any has."""
    name = _victim(arena, chance)
    yield arena.running(name)
    os.killpg(arena.workers()[name], signal.SIGKILL)


def kill_child(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Kill the process that computes."""
    wait_until(arena.running, 10)
    jobs = [job for job in map(arena.jobs.get, arena.running()) if _may_be_lost(arena, job)]
    if not jobs:
        raise Missed
    job = chance.choice(jobs)
    assert job.pid is not None
    yield [job.id]
    os.kill(job.pid, signal.SIGKILL)


def kill_api(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Kill the API."""
    api = arena.stack._api  # noqa: SLF001 - the local stack has no reason to offer this
    assert api is not None
    if not api.running():
        raise Missed
    yield []
    os.kill(api.pid, signal.SIGKILL)


def kill_redis(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Kill Redis; the stack starts it again."""
    assert arena.stack.redis is not None
    yield arena.running()
    os.kill(arena.stack.redis.process.pid, signal.SIGKILL)


def freeze_worker(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Stop a worker beyond its lease, and let it go on: what it commits then is refused."""
    wait_until(arena.running, 3)
    name = _victim(arena, chance)
    pid = arena.workers()[name]
    arena.signal(name, signal.SIGSTOP)
    try:
        yield arena.running(name)
        time.sleep(1.4 * arena.lease)
    finally:
        # Whoever was killed meanwhile has a successor that runs.
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)


def stop_redis(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Stop Redis for a while: connections stay open and nobody answers."""
    assert arena.stack.redis is not None
    pid = arena.stack.redis.process.pid
    yield arena.running()
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    time.sleep(chance.uniform(1, 5))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def pause_clients(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Have Redis hold all commands back."""
    seconds = chance.uniform(1, 5)
    yield arena.running()
    arena.redis.client_pause(round(seconds * 1000))
    time.sleep(seconds)


def delete_messages(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Delete all messages from the broker."""
    arena.redis.delete(MESSAGES)
    yield _oldest_queued(arena)


def repeat_messages(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Deliver what waits in the broker twice more."""
    yield []
    for message in arena.redis.lrange(MESSAGES, 0, 9):
        arena.redis.rpush(MESSAGES, message, message)


def swallow_message(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Pop messages as a worker does that dies in this moment."""
    for _ in range(3):
        arena.redis.rpop(MESSAGES)
    yield _oldest_queued(arena)


def cut_network(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Cut the far worker off for longer than its lease; nothing is closed."""
    wait_until(lambda: arena.running(FAR), 3)
    yield arena.running(FAR)
    arena.line.cut()
    time.sleep(1.4 * arena.lease)
    arena.line.mend()


def reset_connections(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Break all connections of the far worker."""
    yield arena.running(FAR)
    arena.proxy.reset()


def fill_disk(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Leave no room in the artifact store for a while."""
    yield arena.running()
    with arena.disk.full():
        time.sleep(chance.uniform(0.3, 0.8) * arena.lease)


def lock_disk(arena: Arena, chance: random.Random) -> Iterator[list[str]]:
    """Make the artifact store read-only for a while."""
    for _ in range(50):
        # The kernel refuses while a file is open for writing, so between two of them.
        with arena.disk.read_only() as locked:
            if locked:
                yield arena.running()
                time.sleep(chance.uniform(0.3, 0.8) * arena.lease)
                return
        time.sleep(0.02)
    raise Missed


def _victim(arena: Arena, chance: random.Random) -> str:
    """Return a worker that has something to do, if any has, and whose jobs may be lost."""
    running = {name: arena.running(name) for name in arena.workers()}
    able = [
        name
        for name, jobs in running.items()
        if all(_may_be_lost(arena, arena.jobs.get(job)) for job in jobs)
    ]
    if not able:
        raise Missed
    return chance.choice([name for name in able if running[name]] or able)


def _may_be_lost(arena: Arena, job: Job) -> bool:
    """Tell whether one more loss does not yet make the job poison."""
    # Not told to users: losses since the job last saved what it has done.
    losses = int(arena.redis.hget(f"convq:job:{job.id}", "lost"))
    return job.state == "running" and losses + 1 < MAX_ATTEMPTS


def _oldest_queued(arena: Arena) -> list[str]:
    with suppress(RedisError):
        found = arena.redis.zrange("convq:waiting:normal", 0, 0)
        return [str(job) for job in found]
    return []


FAULTS = (
    Fault("child", "kill -9 of the process that computes", kill_child, 90, kill=True),
    Fault("worker", "kill -9 of a whole worker", kill_worker, 60, kill=True),
    Fault("api", "kill -9 of the API", kill_api, 30, kill=True),
    Fault("redis", "kill -9 of Redis", kill_redis, 20, kill=True),
    Fault("freeze", "a worker stopped for 1.4 leases", freeze_worker, 8),
    Fault("redis-stop", "Redis stopped for 1 to 5 s", stop_redis, 5),
    Fault("redis-pause", "CLIENT PAUSE for 1 to 5 s", pause_clients, 5),
    Fault("deleted", "all messages deleted", delete_messages, 10),
    Fault("repeated", "messages delivered three times", repeat_messages, 10),
    Fault("swallowed", "messages popped and never seen", swallow_message, 10),
    Fault("cut", "a worker cut off from Redis for 1.4 leases", cut_network, 6),
    Fault("reset", "all connections of a worker broken", reset_connections, 8),
    Fault("full", "the artifact store full for 0.3 to 0.8 leases", fill_disk, 4, needs="disk"),
    Fault(
        "read-only",
        "the artifact store read-only for 0.3 to 0.8 leases",
        lock_disk,
        4,
        needs="disk",
    ),
)
