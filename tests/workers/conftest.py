"""A job kind whose behaviour each test decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest

from core.jobs import registry
from core.jobs.kind import Kind, Planning, Spec
from core.jobs.run import Run
from core.store.jobs import Job, JobStore

# Modules of the processes that tests start.
collect_ignore = ["stand_in"]

Behaviour = Callable[[Run], None]


class ScriptedSpec(Spec):
    kind: Literal["scripted"]


class Scripted:
    """Puts a kind ``scripted`` into the registry that runs whatever the test says."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self.behave: Behaviour = lambda run: None

    def kind(self) -> Kind[ScriptedSpec]:
        def plan(spec: ScriptedSpec, planning: Planning) -> dict[str, Any]:
            return {}

        return Kind(
            name="scripted",
            summary="does what a test says",
            spec=ScriptedSpec,
            references=lambda spec: (),
            items=lambda spec: 1,
            plan=plan,
            run=lambda spec, run: self.behave(run),
        )

    def spec(self) -> ScriptedSpec:
        return ScriptedSpec(kind="scripted")

    def submit(self) -> Job:
        return self._jobs.submit(
            kind="scripted", spec='{"kind":"scripted"}', artifacts=[], total=1
        )[0]


@pytest.fixture
def scripted(jobs: JobStore, monkeypatch: pytest.MonkeyPatch) -> Scripted:
    scripted = Scripted(jobs)
    monkeypatch.setattr(registry, "KINDS", (*registry.KINDS, scripted.kind()))
    return scripted
