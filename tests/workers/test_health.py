"""A GPU that does not work is taken out, and comes back when it does."""

from __future__ import annotations

import pytest

from core.conv.device import gpu
from workers import health
from workers.health import Health
from workers.trial import DeviceFailed, Proven

PROVEN = Proven(gpu("H"), 1 << 30)


class Machine:
    """A GPU, its driver, a clock, and whoever is told of changes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.works = True
        self.complaint: str | None = None
        self.tests: list[float] = []
        self.told: list[str | None] = []
        monkeypatch.setattr(health.time, "monotonic", lambda: self.now)
        self.health = Health(
            self.prove, self, "GPU-a", lambda: self.told.append(self.health.fault), retry=10
        )

    def prove(self) -> Proven:
        self.tests.append(self.now)
        if not self.works:
            raise DeviceFailed("it burns")
        return PROVEN

    def read(self) -> str | None:
        complaint, self.complaint = self.complaint, None
        return complaint

    def watch_until(self, end: float) -> None:
        while self.now < end:
            self.health.watch()
            self.now += 1


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_nothing_runs_on_a_gpu_before_it_is_proven(machine: Machine) -> None:
    assert (machine.health.works, machine.health.told()) == (False, {"fault": "it is being tested"})
    machine.watch_until(5)
    assert machine.health.works
    assert machine.health.told()["gpu_memory"] == 1 << 30
    assert (machine.tests, machine.told) == ([0], [None])


def test_one_that_fails_is_tested_later_and_later_until_it_works(machine: Machine) -> None:
    machine.works = False
    machine.watch_until(2000)
    waits = [after - before for before, after in zip(machine.tests, machine.tests[1:])]  # noqa: B905
    assert waits == [10, 20, 40, 80, 160, 320, 640, 640]
    assert (machine.health.fault, machine.health.failed) == ("it burns", True)
    machine.works = True
    machine.watch_until(3000)
    assert (machine.health.fault, machine.health.failed) == (None, False)
    # The next failure begins anew.
    machine.works, machine.tests = False, []
    machine.health.suspect("its process died")
    machine.watch_until(3015)
    assert machine.tests == [3000, 3010]


@pytest.mark.parametrize("works", [True, False])
def test_one_that_is_suspected_is_out_until_it_is_tested(machine: Machine, *, works: bool) -> None:
    machine.watch_until(1)
    machine.works = works
    machine.health.suspect("its process died")
    assert (machine.health.fault, machine.health.failed) == ("its process died", False)
    machine.watch_until(2)
    assert (machine.health.works, machine.health.failed) == (works, not works)
    # What it is stays known.
    assert machine.health.told()["gpu"]["name"] == "H"


def test_a_complaint_of_the_driver_is_a_suspicion(machine: Machine) -> None:
    machine.watch_until(3)
    machine.complaint = "XID 79"
    machine.watch_until(6)
    assert (machine.health.works, machine.tests) == (True, [0, 3])
    machine.works, machine.complaint = False, "XID 79"
    machine.watch_until(7)
    assert machine.told == [None, None, "it burns"]
