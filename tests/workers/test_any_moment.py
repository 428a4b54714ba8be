"""Whatever happens between any two commands of a worker: no job is lost, repeated or charged."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

import pytest
import redis
from hypothesis import HealthCheck, given, note
from hypothesis import settings as examples
from hypothesis import strategies as st

from core.errors import Conflict
from core.jobs.run import Run
from core.settings import Settings
from core.store.artifacts import ArtifactStore
from core.store.garbage import Garbage
from core.store.jobs import Job, JobStore, NewJob, Progress
from core.store.states import STATES, TERMINAL
from core.store.workers import WorkerStore
from workers.runner import Runner

TENANTS = ("default", "lab")
JOBS = 8
ALL = Progress(done=1, total=1)
MOST = 1000  # losses, so that nothing is poison
# What may happen before a command of the worker is sent, and after it was carried out.
MISCHIEF = ("die", "break", "cancel", "silence", "pause", "drain", "flush", "delete", "retry")
CHARGED = {"die", "silence"}


class Dead(BaseException):
    """The process of a worker was killed."""


class Moments:
    """Lets things happen at commands of one worker, which dies with all of its threads."""

    def __init__(self, runner: Runner, planned: dict[int, tuple[str, bool]]) -> None:
        self._planned = planned
        self._count = 0
        self._counting = threading.Lock()
        self.is_dead = False
        self.acts: dict[str, Callable[[], None]] = {}
        pool = runner._jobs._redis.connection_pool
        plain, moments = pool.connection_class, self

        class Watched(plain):  # type: ignore[misc, valid-type]
            is_new = True

            def on_connect_check_health(self, check_health: bool = True) -> None:
                # redis-py counts on the answers of its own first commands.
                self.is_new = True
                super().on_connect_check_health(check_health)
                self.is_new = False

            def send_packed_command(self, command: Any, check_health: bool = True) -> None:
                if self._sock is None:
                    self.connect()
                elif self.is_new:
                    super().send_packed_command(command, check_health)
                    return
                with moments._counting:
                    name, is_before = moments._next()
                    if name and is_before:
                        moments._happen(name)
                    super().send_packed_command(command, check_health)
                    if name and not is_before:
                        super().read_response()
                        self.disconnect()
                        moments._happen(name)
                        raise redis.ConnectionError("the answer was lost")

        pool.connection_class = Watched

    def _next(self) -> tuple[str, bool]:
        if self.is_dead:
            raise Dead
        self._count += 1
        return self._planned.pop(self._count, ("", True))

    def _happen(self, name: str) -> None:
        if name == "die":
            self.is_dead = True
            raise Dead
        if name == "break":
            raise redis.ConnectionError("the connection broke")
        self.acts[name]()


class Service:
    """A queue of jobs that are alike, and what users and other workers do with it."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        client.flushall()
        self.client, self.settings = client, settings
        self.jobs = JobStore(client)
        self.artifacts = ArtifactStore(settings.store_url, client)
        self.workers = WorkerStore(client, settings)
        self.made: list[Job] = []
        self.cancelled: set[str] = set()
        self.deleted: set[str] = set()
        self.of_another: list[Job] = []
        self.is_flushed = False
        # Three that are alike in all, so that their results are, too.
        for number in range(JOBS):
            store = self.jobs.of(TENANTS[number % 2])
            digest = self.artifacts.of(TENANTS[number % 2]).put(b"%d" % (number % 3), "x/y").digest
            new = NewJob(
                kind="scripted", spec='{"kind":"scripted"}', artifacts=(digest,), alike="x"
            )
            (answer,), _ = store.submit_many([new])
            assert isinstance(answer, tuple)
            self.made.append(answer[0])

    def acts(self) -> dict[str, Callable[[], Any]]:
        return {
            "cancel": self.cancel,
            "silence": self.silence,
            "pause": self.jobs.pause,
            "drain": lambda: self.workers.drain("w1"),
            "flush": self.flush,
            "delete": self.delete,
            "retry": self.retry,
        }

    def cancel(self) -> None:
        """Cancel every third job."""
        for job in self.made[::3]:
            with suppress(Conflict):
                if job.id not in self.deleted:
                    self.jobs.cancel(job.id)
                    self.cancelled.add(job.id)

    def flush(self) -> None:
        """Forget all scripts, as a Redis that was started anew; not twice in one breath."""
        if not self.is_flushed:
            self.client.script_flush()
            self.is_flushed = True

    def silence(self) -> None:
        """Let all leases run out, as if nobody had renewed them, and another worker take a job."""
        for job in self.client.zrange("convq:leases", 0, -1):
            self.client.zadd("convq:leases", {job: 0})
        self.jobs.expire(max_attempts=MOST)
        self.of_another = self.jobs.claim(worker="w2", pid=2, lease=60)

    def delete(self) -> None:
        for job in self.made:
            if job.id not in self.deleted and self.jobs.get(job.id).state in TERMINAL:
                self.jobs.delete(job.id)
                self.deleted.add(job.id)

    def retry(self) -> None:
        for job in self.left():
            if job.state == "cancelled":
                self.jobs.retry(job.id)

    def left(self) -> list[Job]:
        return [self.jobs.get(job.id) for job in self.made if job.id not in self.deleted]

    def runner(self, **changes: Any) -> Runner:
        settings = self.settings.model_copy(update={"together": 2, "lease": 0.04} | changes)
        return Runner(settings, worker="w1", pid=1, send=lambda: None)

    def recover(self) -> None:
        """Do what parents and reconcilers do, and what is left."""
        for job in self.of_another:
            # Nobody else has ended it meanwhile.
            assert self.jobs.finish(job.id, job.attempt, "succeeded", progress=ALL, timings={})
        self.jobs.resume()
        self.workers.resume("w1")
        for job in self.jobs.running_on("w1"):
            self.jobs.abandon(job.id, job.attempt, reason="died", max_attempts=MOST)
        runner = self.runner(lease=60)
        assert sum(runner.step() for _ in range(JOBS + 1)) <= JOBS

    def check(self, happened: set[str]) -> None:
        """Compare all that is recorded."""
        for job in self.left():
            outcomes = Counter(attempt.outcome for attempt in self.jobs.attempts(job.id))
            assert job.state in (("succeeded", "cancelled") if self.cancelled else ("succeeded",))
            if job.state == "cancelled":
                assert job.id in self.cancelled
            else:
                assert outcomes["succeeded"] == 1
            assert outcomes[None] == 0
            if not happened & CHARGED:
                assert outcomes.keys() <= {"succeeded", "cancelled", "released"}
        left = {job.id for job in self.left()}
        queues = self.client.keys("convq:*waiting:*") + self.client.keys("convq:*line*")
        assert (
            queues + self.client.keys("convq:alike:*") + self.client.keys("convq:running:*") == []
        )
        assert self.client.zrange("convq:leases", 0, -1) == []
        listed = [
            job
            for space in ("convq", "convq:tenant:lab")
            for state in STATES
            for job in self.client.zrange(f"{space}:jobs:state:{state}", 0, -1)
        ]
        assert sorted(listed) == sorted(left)
        self.check_artifacts(left)

    def check_artifacts(self, left: set[str]) -> None:
        """Count references, packs and bytes anew."""
        references: Counter[str] = Counter()
        for job in left:
            references.update(self.client.smembers(f"convq:job:{job}:artifacts"))
        packs: Counter[str] = Counter()
        stored: Counter[str] = Counter()
        for key in self.client.keys("convq:artifact:*"):
            record = self.client.hgetall(key)
            digest = key.removeprefix("convq:artifact:")
            assert int(record["refs"]) == references[digest]
            pack, at, _ = record["key"].partition("@")
            packs.update([pack] if at else [])
            size = int(record["size"])
            stored[":all"] += size
            for tenant in TENANTS:
                if f"tenant:{tenant}" in record:
                    stored[tenant] += size
                    assert len(self.artifacts.of(tenant).read(digest)) == size
        counted = {name: int(count) for name, count in self.client.hgetall("convq:packs").items()}
        assert counted == dict(packs)
        assert {k: int(v) for k, v in self.client.hgetall("convq:stored").items()} == dict(stored)
        found = Garbage(self.artifacts, self.client).collect(3600)
        assert (found.missing, found.miscounted) == ((), ())


@pytest.fixture(autouse=True)
def _dead_threads_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = threading.excepthook

    def without_the_dead(about: Any) -> None:
        if about.exc_type is not Dead:
            hook(about)

    monkeypatch.setattr(threading, "excepthook", without_the_dead)
    monkeypatch.setattr("workers.runner._LINGER_SECONDS", 0.01)


@examples(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    planned=st.dictionaries(
        st.integers(1, 40), st.tuples(st.sampled_from(MISCHIEF), st.booleans()), max_size=3
    )
)
def test_no_moment_is_a_bad_one(
    client: redis.Redis,
    settings: Settings,
    scripted: Any,
    planned: dict[int, tuple[str, bool]],
) -> None:
    note(planned)
    # Some are equal, and so are some inputs.
    numbers = itertools.cycle(range(5))

    def behave(run: Run) -> None:
        def write(file: BinaryIO) -> None:
            file.write(b"%d" % next(numbers))

        run.deliver_file("out", source=None, media_type="x/y", write=write)

    scripted.behave = behave
    happened = {name for name, _ in planned.values()}
    service = Service(client, settings)
    runner = service.runner()
    moments = Moments(runner, dict(planned))
    moments.acts = service.acts()
    with suppress(Dead):
        runner.run()
    moments.is_dead = True
    service.recover()
    service.check(happened)
