"""How a running job begins others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from core.conv.device import Device
from core.errors import ConvqError
from core.jobs import submission
from core.jobs.kind import Spec
from core.needs import Wish
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore, NewJob, Place
from core.store.states import Priority
from core.store.workers import Worker


class Children:
    """The jobs that one attempt at a job begins (a `core.jobs.run.Children`).

    Parameters
    ----------
    jobs, artifacts
        The stores.
    parent, attempt : str, int
        The job that begins others.
    priority : {"interactive", "normal", "batch"}
        Of the jobs that do not say otherwise: that of the parent.
    wish : {"auto", "cpu", "gpu"}
        What jobs must run on that do not say it: what the parent must.
    device : Device
        To plan for.
    memory_cap : int
        Most bytes that a job may take.
    send : callable
        Puts a message into the queue, which wakes a worker up.
    workers : callable
        Returns all workers of the service.
    """

    def __init__(
        self,
        jobs: JobStore,
        artifacts: ArtifactStore,
        parent: str,
        attempt: int,
        *,
        priority: Priority,
        wish: Wish,
        device: Device,
        memory_cap: int,
        send: Callable[[], None],
        workers: Callable[[], list[Worker]],
    ) -> None:
        self._jobs = jobs
        self._artifacts = artifacts
        self._parent = parent
        self._attempt = attempt
        self._inherited = {"priority": priority, "device": wish}
        self._device = device
        self._memory_cap = memory_cap
        self._send = send
        self._workers = workers

    @cached_property
    def _planner(self) -> submission.Planner:
        # Few jobs begin others.
        return submission.Planner(self._artifacts, self._device, self._memory_cap)

    def begin(self, name: str, spec: Spec) -> Job:
        """Queue a job, unless an earlier attempt has done so under this name; return it.

        A job without a label gets the id of its parent, so that it can be listed by it.

        Raises
        ------
        LeaseLost
            Another worker has the parent now.
        """
        return self.begin_many({name: spec})[name]

    def begin_many(self, specs: Mapping[str, Spec]) -> dict[str, Job]:
        """Do what `begin` does for several, by their names, in few round trips."""
        jobs = self._jobs.begun_many(self._parent, list(specs))
        new = {name: self._new(name, spec) for name, spec in specs.items() if name not in jobs}
        answers, missing = self._jobs.submit_many(list(new.values()))
        for name, answer in zip(new, answers, strict=True):
            if isinstance(answer, ConvqError):
                raise answer
            jobs[name] = answer[0]
        for _ in range(missing):
            self._send()
        return {name: jobs[name] for name in specs}

    def workers(self) -> int:
        """Return how many workers there are, at least one."""
        return max(1, sum(worker.state in ("up", "busy") for worker in self._workers()))

    def _new(self, name: str, spec: Spec) -> NewJob:
        if spec.label is None:
            spec = spec.model_copy(update={"label": self._parent})
        unsaid = self._inherited.keys() - spec.model_fields_set
        spec = spec.model_copy(update={name: self._inherited[name] for name in unsaid})
        return submission.new_job(
            spec,
            self._planner.plan(spec),
            artifacts=self._artifacts,
            begun_by=Place(self._parent, self._attempt, name),
        )

    def get(self, job_id: str) -> Job:
        """Return the job's record as it is now."""
        return self._jobs.get(job_id)
