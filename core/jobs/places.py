"""Where the inputs of a job are computed: on the processor, or on the GPU beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from numpy.typing import NDArray

from core.arrays import Array, gpu_module
from core.conv import residency
from core.conv.cuda.transfers import Pending, Work, transfers, with_enough_memory
from core.conv.device import Device
from core.conv.residency import Devices, Place
from core.errors import TooLarge
from core.jobs.inputs import describe
from core.jobs.kind import Planning
from core.jobs.run import Run
from core.jobs.subjects import Subject, document
from core.needs import Wish

PlanT = TypeVar("PlanT")

Group: TypeAlias = dict[str, Any]
PlanOne: TypeAlias = Callable[[Subject, Planning], Group]
"""Plans one input of a sort for the device of the planning; see `core.jobs.subjects.plan_each`."""

# Of larger inputs several at a time would take too much memory.
_LARGE = 256 << 20


class Begun(Protocol):
    """An input whose computation was begun."""

    @property
    def is_over(self) -> bool:
        """Whether nothing has to be waited for any more."""

    def result(self) -> Any:
        """Wait for what was made of it, and return it in memory of the host; once."""

    def seconds(self) -> float:
        """Return how long it was computed and brought there and back; only after `result`."""


class Placed(Generic[PlanT]):
    """One sort of input of a job, at the place where it is computed.

    Parameters
    ----------
    choose : callable
        Chooses among devices.
    devices : Devices
        Of the worker.
    needed : callable
        Bytes that one input takes by a plan, for errors.

    Attributes
    ----------
    place : Place
        Where, by which plan, and why.
    """

    def __init__(
        self,
        choose: Callable[[Devices], Place[PlanT]],
        devices: Devices,
        needed: Callable[[PlanT], int],
    ) -> None:
        self._choose, self._devices, self._needed = choose, devices, needed
        self.place = choose(devices)

    def begin(self, work: Work, *arrays: NDArray[Any]) -> Begun:
        """Compute an input, on a GPU beside whatever the caller does meanwhile.

        Parameters
        ----------
        work : callable
            Takes the arrays, on the device, and returns arrays of it, also in tuples, lists and
            dicts. Where a GPU turns out to have too little memory it is called again on the
            processor, unless the job asks for a GPU.
        *arrays : ndarray
            Of the host.

        Returns
        -------
        Begun

        Raises
        ------
        TooLarge
            The job asks for a GPU, which has too little memory.
        """
        if self.place.device.kind == "gpu":
            try:
                return self._begin_on_gpu(work, arrays)
            except TooLarge as error:
                if self._devices.wish == "gpu":
                    raise
                self._devices = replace(self._devices, gpu=None)
                self.place = replace(self._choose(self._devices), why=f"not on the GPU: {error}")
        start = time.perf_counter()
        result = work(*arrays)
        return _Done(result, time.perf_counter() - start)

    def _begin_on_gpu(self, work: Work, arrays: tuple[NDArray[Any], ...]) -> Begun:
        cupy = gpu_module()
        ferry = transfers(cupy)
        brought = sum(x.nbytes for x in arrays)
        needed = self._needed(self.place.plan) + brought
        pending = with_enough_memory(lambda: ferry.begin(work, *arrays), cupy, needed)
        return _waited_for(pending) if brought > _LARGE else pending


class Places:
    """Where the inputs of a job are computed, sort by sort.

    Parameters
    ----------
    run : Run
        Of the job. Its plan is told anew where there was a choice.
    wish : {"auto", "cpu", "gpu"}
        The device that the job asks for.
    plan_one : callable
        As in `planned`.
    """

    def __init__(self, run: Run, wish: Wish, plan_one: PlanOne) -> None:
        self._run = run
        self._devices = run.devices(wish)
        self._plan_one = plan_one
        self._placed: dict[Subject, Placed[Group]] = {}
        # Where there is no GPU nothing needs to be planned.
        self._is_simple = self._devices.usable == (run.device,)
        self._measured: dict[Subject, Measured] = {}

    def compute(self, subject: Subject, work: Work, *arrays: NDArray[Any]) -> Any:
        """Compute an input, and return what was made of it; see `Placed.begin`."""
        if self._is_simple:
            return work(*arrays)
        placed = self._of(subject)
        begun = placed.begin(work, *arrays)
        found = begun.result()
        self._measured[subject].add(begun.seconds())
        self._run.plan = self._document()
        return found

    def bring(self, subject: Subject, array: NDArray[Any]) -> Array:
        """Return an array where an input is computed, for work that goes on piece by piece."""
        if self._is_simple:
            return array
        place = self._of(subject).place
        self._run.plan = self._document()
        return array if place.device.kind == "cpu" else gpu_module().asarray(array)

    def _of(self, subject: Subject) -> Placed[Group]:
        if subject not in self._placed:
            planning = Planning(self._run.artifacts, {}, self._run.device, self._run.memory_cap)
            self._placed[subject] = Placed(
                lambda devices: _choose(self._plan_one, subject, planning, devices),
                self._devices,
                lambda group: int(group["bytes"]),
            )
            self._measured[subject] = Measured()
        return self._placed[subject]

    def _document(self) -> Group:
        places = [placed.place for placed in self._placed.values()]
        about = [{"input": describe(s.shape, s.dtype)} for s in self._placed]
        groups = [
            measured.group(one | placed_group(place, place.plan))
            for one, place, measured in zip(about, places, self._measured.values(), strict=True)
        ]
        return document(farthest(places), groups)


class Measured:
    """The time that the inputs of one sort took in one job."""

    def __init__(self) -> None:
        self._inputs = 0
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one more input."""
        self._inputs += 1
        self._seconds += seconds

    def group(self, planned: Group) -> Group:
        """Return the plan's group with the seconds that an input took on average."""
        told: Group = {"inputs": max(self._inputs, 1)} | planned
        if self._inputs:
            told["measured_seconds"] = self._seconds / self._inputs
        return told


def planned(plan_one: PlanOne, planning: Planning, wish: Wish) -> Callable[[Subject], Group]:
    """Return what plans an input on the device on which it is done first.

    Parameters
    ----------
    plan_one : callable
        Returns for a sort of input and the device of a `Planning` at least ``seconds`` and
        ``bytes``, or raises what such inputs fail with there. Where it does not tell as
        ``moved_bytes`` what goes to a GPU and what comes back, that is as much as the input takes.
    planning : Planning
        Names the devices.
    wish : {"auto", "cpu", "gpu"}
        The one that the job asks for.
    """

    def plan(subject: Subject) -> Group:
        place = _choose(plan_one, subject, planning, planning.devices(wish))
        return placed_group(place, place.plan)

    return plan


def farthest(places: Sequence[Place[Any]]) -> Device:
    """Return the device that a plan is told to be for: a GPU, if any input is computed there."""
    devices = [place.device for place in places]
    return next((device for device in devices if device.kind == "gpu"), devices[0])


def placed_plan(place: Place[Any]) -> Group:
    """Return what the plan of a job that is done as a whole tells of its place."""
    if place.why is None:
        return {}
    return {"device": {"kind": place.device.kind, "name": place.device.name}, "why": place.why}


def placed_group(place: Place[Any], group: Group) -> Group:
    """Return a plan's group with the transfers, and why it is computed there."""
    if place.why is None:
        return group
    return group | {
        "device": place.device.name,
        "seconds": group["seconds"] + place.transfers,
        "transfer_seconds": place.transfers,
        "why": f"{group['why']}; {place.why}",
    }


def _choose(
    plan_one: PlanOne, subject: Subject, planning: Planning, devices: Devices
) -> Place[Group]:
    return residency.choose(
        lambda device: plan_one(subject, replace(planning, device=device, gpu=None)),
        lambda group: float(group["seconds"]),
        devices,
        lambda group: _moved(subject, group),
    )


def _moved(subject: Subject, group: Group) -> tuple[int, int]:
    size = subject.precision.itemsize * math.prod(subject.shape)
    there, back = group.get("moved_bytes", (size, size))
    return there, back


class _Done:
    """What was computed at once."""

    is_over = True

    def __init__(self, result: Any, seconds: float) -> None:
        self._result, self._seconds = result, seconds

    def result(self) -> Any:
        return self._result

    def seconds(self) -> float:
        return self._seconds


def _waited_for(pending: Pending) -> Begun:
    result = pending.result()
    return _Done(result, pending.seconds())
