"""A service without processes: jobs are submitted, and worked off by two workers in turn."""

from __future__ import annotations

from typing import Any

from core.conv.device import cpu
from core.errors import ConvqError
from core.jobs import submission
from core.settings import Settings
from core.store import documents
from core.store.artifacts import ArtifactStore
from core.store.jobs import Job, JobStore
from workers.runner import Runner


class Service:
    def __init__(self, options: Settings, jobs: JobStore, artifacts: ArtifactStore) -> None:
        self.jobs = jobs
        self.artifacts = artifacts
        self.runners = [
            Runner(options, worker=name, pid=1, send=lambda: None) for name in ("w1", "w2")
        ]

    def submit(self, spec: Any) -> Job:
        planned = submission.Planner(self.artifacts, cpu(), 1 << 32).plan(spec)
        new = submission.new_job(spec, planned, artifacts=self.artifacts)
        (answer,), _ = self.jobs.submit_many([new])
        assert not isinstance(answer, ConvqError)
        return answer[0]

    def step(self) -> bool:
        """Let a worker take the best job."""
        self.runners.append(runner := self.runners.pop(0))
        return runner.step()

    def work(self) -> None:
        while self.step():
            pass

    def children(self, job: Job) -> list[Job]:
        return [found for found in self.jobs.page(limit=100).jobs if found.parent == job.id]

    def results(self, job: Job) -> list[dict[str, Any]]:
        done = self.jobs.get(job.id)
        assert (done.state, done.error) == ("succeeded", None)
        assert done.results is not None
        entries: list[dict[str, Any]] = documents.read(self.artifacts, done.results)["results"]
        return entries
