"""Where work is done whose data lie on the host: here, or on a GPU, there and back included."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.conv.device import Device
from core.errors import ConvqError, Unavailable
from core.needs import Wish

PlanT = TypeVar("PlanT")


@dataclass(frozen=True)
class Devices:
    """What may do the work.

    Parameters
    ----------
    cpu : Device
        The processor.
    gpu : Device, optional
        The GPU beside it.
    wish : {"auto", "cpu", "gpu"}
        Which of them is wanted.
    """

    cpu: Device
    gpu: Device | None = None
    wish: Wish = "auto"

    @property
    def usable(self) -> tuple[Device, ...]:
        """Those that are wanted and there.

        Raises
        ------
        Unavailable
            A GPU is wanted, and none is there.
        """
        if self.wish == "gpu" and self.gpu is None:
            raise Unavailable(
                "there is no GPU here", field="device", given="gpu", accepted=["auto", "cpu"]
            )
        both = (self.cpu if self.wish != "gpu" else None, self.gpu if self.wish != "cpu" else None)
        return tuple(device for device in both if device is not None)


@dataclass(frozen=True)
class Place(Generic[PlanT]):
    """Where work is done.

    Parameters
    ----------
    device : Device
        That does it.
    plan : object
        What was planned for this device.
    transfers : float
        Seconds that data take there and back.
    why : str or None
        What made the difference, in a sentence; None where there was no choice and no transfer.
    """

    device: Device
    plan: PlanT
    transfers: float
    why: str | None


def choose(
    plan: Callable[[Device], PlanT],
    seconds: Callable[[PlanT], float],
    devices: Devices,
    moved: Callable[[PlanT], tuple[int, int]],
) -> Place[PlanT]:
    """Plan on each device that is usable, and take the one that is done first.

    Parameters
    ----------
    plan : callable
        Plans for a device, or raises what the work would fail with there.
    seconds : callable
        How long a plan computes.
    devices : Devices
        To choose from.
    moved : callable
        Bytes that a plan needs to be brought to a GPU, and that come back.

    Returns
    -------
    Place

    Raises
    ------
    ConvqError
        What the work would fail with on the last device, where it fails on all.
    Unavailable
        See `Devices.usable`.

    Examples
    --------
    >>> from core.conv.device import cpu, gpu
    >>> times = {"cpu": 9e-3, "gpu": 1e-3}
    >>> both = Devices(cpu(), gpu("a device"))
    >>> choose(lambda on: times[on.kind], lambda found: found, both, lambda _: (0, 0)).why
    'on the GPU: 1 ms + 0 ms of transfers; on the processor: 9 ms'
    """
    places: list[Place[PlanT]] = []
    told: list[str] = []
    error: ConvqError | None = None
    usable = devices.usable
    # What is told first is what a GPU would do.
    for device in reversed(usable):
        on = "on the GPU" if device.kind == "gpu" else "on the processor"
        try:
            found = plan(device)
        except ConvqError as refused:
            error = refused
            told.append(f"{on}: {refused.message}")
            continue
        transfers = transfer_seconds(device, *moved(found))
        places.append(Place(device, found, transfers, None))
        told.append(f"{on}: {_short(seconds(found))}")
        if device.kind == "gpu":
            told[-1] += f" + {_short(transfers)} of transfers"
    if not places:
        assert error is not None
        raise error
    best = min(places, key=lambda place: seconds(place.plan) + place.transfers)
    alone = len(usable) == 1 and best.device.kind == "cpu"
    return Place(best.device, best.plan, best.transfers, None if alone else "; ".join(told))


def transfer_seconds(device: Device, there: int, back: int) -> float:
    """Return how long it takes to bring bytes to a device and others back; none to the processor.

    Examples
    --------
    >>> from core.conv.device import cpu
    >>> transfer_seconds(cpu(), 1 << 30, 1 << 30)
    0.0
    """
    return there * device.to_device + back * device.to_host


def _short(seconds: float) -> str:
    return f"{seconds * 1e6:.3g} us" if 0 < seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"
