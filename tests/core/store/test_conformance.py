"""The Lua scripts do what `machine` says, on random histories, against a real Redis."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from core.errors import Conflict, LeaseLost
from core.store.jobs import JobStore, Place, Progress
from core.store.states import STATES, TERMINAL
from tests.core.store import machine as model
from tests.core.store.machine import MAX_LOST, Action, Machine

PREFIX = "machine"
WORKERS = ("w1", "w2")
LEASE = 10.0
CHILD = "child"


def store_with_own_clock(client: redis.Redis) -> JobStore:
    """Return a store whose scripts read the time from a key; nothing else of them is changed."""
    store = JobStore(client, PREFIX)
    scripts = store._scripts._scripts
    for name, script in scripts.items():
        assert script.script.count("redis.call('TIME')") == 1
        source = script.script.replace(
            "redis.call('TIME')", "{ redis.call('GET', P .. ':clock'), 0 }"
        )
        scripts[name] = client.register_script(source)
    return store


class Conformance(RuleBasedStateMachine):
    """One job, led by the model through whatever may happen next."""

    client: Any

    def __init__(self) -> None:
        super().__init__()
        for key in self.client.scan_iter(f"{PREFIX}:*"):
            self.client.delete(key)
        self.client.set(f"{PREFIX}:clock", 1000)
        self.store = store_with_own_clock(self.client)
        self.model = Machine(mischief=1000)
        self.job = self.store.submit(kind="convolve", spec="{}", artifacts=[])[0].id
        self.saved = 0
        self.child = ""
        self.child_attempt = 0

    @rule(data=st.data())
    def happen(self, data: st.DataObject) -> None:
        action = data.draw(st.sampled_from([a for a in model.actions(self.model) if self.can(a)]))
        before = self.model
        self.model, expected = model.step(before, action)
        assert self.perform(before, *action) == expected, action

    def can(self, action: Action) -> bool:
        """Tell whether a claim gets the job that the model means: the child is always second."""
        if action[0] == "claim":
            return self.model.state == "queued" or self.model.child != "queued"
        return action[0] != "child_starts" or self.model.state != "queued"

    def perform(self, before: Machine, name: str, worker: int) -> object:
        """Do to the store what the model did, and return the store's answer."""
        attempt = before.works[worker]
        match name:
            case "claim":
                return self.claim(WORKERS[worker], self.job)
            case "renew":
                return self.store.renew(self.job, attempt, lease=LEASE)
            case "succeed" | "fail" | "stop":
                end: Any = {"succeed": "succeeded", "fail": "failed", "stop": "cancelled"}[name]
                return self.store.finish(self.job, attempt, end, progress=Progress(), timings={})
            case "release":
                return self.store.release(self.job, attempt, "drained")
            case "checkpoint":
                return self.checkpoint(attempt)
            case "begin":
                return self.begin(attempt)
            case "wait":
                return self.store.wait(self.job, attempt, "it waits", [self.child])
            case "report_death":
                return self.store.abandon(
                    self.job, before.died[worker], reason="died", max_attempts=MAX_LOST
                )
            case "silence":
                self.client.incrby(f"{PREFIX}:clock", int(LEASE) + 1)
            case "expire":
                return self.store.expire(max_attempts=MAX_LOST).get(self.job)
            case "cancel":
                return self.cancel()
            case "retry":
                return self.retry()
            case "child_starts":
                self.child_attempt = self.claim("w3", self.child) or 0
                assert self.child_attempt
            case "child_ends":
                end = "cancelled" if before.child_cancel else "succeeded"
                assert self.store.finish(
                    self.child, self.child_attempt, end, progress=Progress(), timings={}
                )
        return None

    def claim(self, worker: str, job_id: str) -> int | None:
        lease = 1e9 if job_id == self.child else LEASE
        claimed = self.store.claim(worker=worker, pid=1, lease=lease)
        assert [job.id for job in claimed] in ([], [job_id])
        return claimed[0].attempt if claimed else None

    def checkpoint(self, attempt: int) -> str:
        # Another one each time: the same again would be no progress.
        self.saved += 1
        self.client.hset(f"{PREFIX}:artifact:sha256:{self.saved}", "refs", 0)
        return self.store.checkpoint(self.job, attempt, f"sha256:{self.saved}")

    def begin(self, attempt: int) -> bool:
        place = Place(self.job, attempt, CHILD)
        try:
            job, _ = self.store.submit(kind="train", spec="{}", priority="batch", begun_by=place)
        except LeaseLost:
            return False
        self.child = job.id
        return True

    def cancel(self) -> str:
        try:
            return self.store.cancel(self.job)
        except Conflict as error:
            return str(error.given)

    def retry(self) -> bool:
        try:
            self.store.retry(self.job)
        except Conflict:
            return False
        return True

    @invariant()
    def the_record_says_what_the_model_says(self) -> None:
        job = self.store.get(self.job)
        assert (job.state, job.attempt) == (self.model.state, self.model.attempt)
        assert (job.cancel_requested is not None) == self.model.cancel
        assert int(self.client.hget(f"{PREFIX}:job:{self.job}", "lost")) == self.model.lost
        if self.child:
            child = self.store.get(self.child)
            known = "ended" if child.state == "succeeded" else child.state
            assert known == self.model.child

    @invariant()
    def indexes_agree_with_the_records(self) -> None:
        jobs = [self.store.get(name) for name in filter(None, (self.job, self.child))]
        for state in STATES:
            assert self.members(f"jobs:state:{state}") == {j.id for j in jobs if j.state == state}
        running = {j.id: j.worker for j in jobs if j.state == "running"}
        for priority in ("normal", "batch"):
            queued = {j.id for j in jobs if j.state == "queued" and j.priority == priority}
            assert self.members(f"waiting:{priority}") == queued
            assert self.members(f"line:{priority}:default") == queued
            assert self.members(f"lines:{priority}") == ({"default"} if queued else set())
        assert self.members("leases") == running.keys()
        assert self.members("ended") == {j.id for j in jobs if j.state in TERMINAL}
        for worker in (*WORKERS, "w3"):
            assert self.client.smembers(f"{PREFIX}:running:{worker}") == {
                job for job, owner in running.items() if owner == worker
            }

    @invariant()
    def the_history_is_that_of_the_attempts(self) -> None:
        attempts = self.store.attempts(self.job)
        assert [a.number for a in attempts] == list(range(1, self.model.attempt + 1))
        open_ones = [a.number for a in attempts if a.outcome is None]
        assert open_ones == ([self.model.attempt] if self.model.state == "running" else [])

    @invariant()
    def every_change_was_told(self) -> None:
        states = [e.data["state"] for e in self.store.events(self.job) if e.event == "state"]
        assert states[-1] == self.model.state
        ends = sum(state in TERMINAL for state in states)
        retries = json.dumps([e.data for e in self.store.events(self.job)]).count('"retried"')
        assert ends == retries + (self.model.state in TERMINAL)

    def members(self, index: str) -> set[str]:
        return set(self.client.zrange(f"{PREFIX}:{index}", 0, -1))


def test_the_scripts_do_what_the_model_says(client: redis.Redis) -> None:
    class Connected(Conformance):
        pass

    Connected.client = client
    run_state_machine_as_test(
        Connected,
        settings=settings(
            max_examples=20,
            stateful_step_count=40,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


@pytest.mark.parametrize("asked", [False, True])
def test_a_job_that_is_given_back_after_a_cancel_is_cancelled(jobs: JobStore, asked: bool) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    (claimed,) = jobs.claim(worker="w1", pid=1, lease=60)
    if asked:
        jobs.cancel(job.id)
    assert jobs.release(job.id, claimed.attempt, "the worker was asked to stop")
    assert jobs.get(job.id).state == ("cancelled" if asked else "queued")


def test_a_late_word_of_a_death_does_not_take_the_job_from_the_next_attempt(
    jobs: JobStore,
) -> None:
    job, _ = jobs.submit(kind="convolve", spec="{}", artifacts=[])
    (died,) = jobs.claim(worker="w1", pid=1, lease=0.001)
    while not jobs.expire(max_attempts=3):
        pass
    (alive,) = jobs.claim(worker="w1", pid=2, lease=60)
    assert jobs.abandon(job.id, died.attempt, reason="died", max_attempts=3) is None
    assert (jobs.get(job.id).state, jobs.get(job.id).attempt) == ("running", alive.attempt)
