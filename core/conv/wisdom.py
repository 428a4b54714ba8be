"""What was measured before: how long each algorithm took for a problem on this device.

The word is FFTW's (M. Frigo and S. Johnson, "The design and implementation of FFTW3", 2005).
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path

from core.conv import device as devices
from core.conv.device import Device
from core.conv.problem import ConvProblem
from core.settings import Settings

Seconds = dict[str, float]


def recall(problem: ConvProblem, device: Device) -> Seconds | None:
    """Return the measured seconds per algorithm, or None if ``problem`` was never measured.

    Examples
    --------
    >>> from core.conv.problem import single_channel_problem
    >>> problem = single_channel_problem((7, 9), (3, 3), "float32", "float32")
    >>> recall(problem, devices.cpu()) is None
    True
    """
    return _read(_path(problem, device))


def knows(device: Device) -> bool:
    """Return whether any problem was measured on a device."""
    return any(_folder(device).glob("*.json"))


def remember(problem: ConvProblem, device: Device, seconds: Seconds) -> None:
    """Store measured seconds for later processes on this device with these libraries."""
    path = _path(problem, device)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps({"problem": problem.to_dict(), "seconds": seconds}))
    temporary.replace(path)
    _read.cache_clear()


@lru_cache(maxsize=4096)
def _read(path: Path) -> Seconds | None:
    try:
        stored = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # a torn file can be measured again
        return None
    seconds: Seconds = stored["seconds"]
    return seconds


def _path(problem: ConvProblem, device: Device) -> Path:
    # What is known of the values decides which algorithms can run, so it belongs to the key.
    known = problem.to_dict() | {"bits": problem.bits, "uniform": problem.uniform}
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()
    return _folder(device) / f"{digest[:32]}.json"


def _folder(device: Device) -> Path:
    return Settings().cache_dir / "wisdom" / devices.key(device)
