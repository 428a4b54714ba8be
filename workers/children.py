"""How a running job begins others."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from core.conv.device import Device
from core.errors import ConvqError
from core.jobs import submission
from core.jobs.kind import Spec
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore, Place
from core.store.states import Priority


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
    device : Device
        To plan for.
    memory_cap : int
        Most bytes that a job may take.
    send : callable
        Puts a message into the queue, which wakes a worker up.
    """

    def __init__(
        self,
        jobs: JobStore,
        artifacts: ArtifactStore,
        parent: str,
        attempt: int,
        *,
        priority: Priority,
        device: Device,
        memory_cap: int,
        send: Callable[[], None],
    ) -> None:
        self._jobs = jobs
        self._artifacts = artifacts
        self._parent = parent
        self._attempt = attempt
        self._priority = priority
        self._device = device
        self._memory_cap = memory_cap
        self._send = send

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
        begun = self._jobs.begun(self._parent, name)
        if begun is not None:
            return begun
        if spec.label is None:
            spec = spec.model_copy(update={"label": self._parent})
        if "priority" not in spec.model_fields_set:
            spec = spec.model_copy(update={"priority": self._priority})
        planned = self._planner.plan(spec)
        new = submission.new_job(
            spec,
            planned,
            artifacts=self._artifacts,
            begun_by=Place(self._parent, self._attempt, name),
        )
        (answer,), missing = self._jobs.submit_many([new])
        if isinstance(answer, ConvqError):
            raise answer
        for _ in range(missing):
            self._send()
        return answer[0]

    def get(self, job_id: str) -> Job:
        """Return the job's record as it is now."""
        return self._jobs.get(job_id)
