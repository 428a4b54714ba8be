"""What a test of a GPU tells, and how a parent has one made without touching CUDA itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.conv.device import Device

# Until CUDA is up, and the kernel compiled where it is not on the disk yet.
_SECONDS = 120.0


class DeviceFailed(Exception):
    """The GPU does not do what it should; the process that has found it can do nothing more."""


@dataclass(frozen=True)
class Proven:
    """A GPU that works.

    Attributes
    ----------
    device : Device
        With its constants.
    memory : int
        Bytes that it has.
    """

    device: Device
    memory: int


def prove_apart(seconds: float = _SECONDS, environment: Mapping[str, str] | None = None) -> Proven:
    """Test the GPU of this process (`workers.proof`) in another one, which may hang.

    Parameters
    ----------
    seconds : float
        After these it is killed.
    environment : mapping, optional
        Variables that the other process has beside those of this one, such as those that bind it
        to another GPU (`workers.devices.environment`).

    Raises
    ------
    DeviceFailed
        The GPU cannot be used, the answer is wrong, or there is none in time.
    """
    command = [sys.executable, "-P", "-m", "workers.proof"]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DeviceFailed(f"a small convolution took more than {seconds:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise DeviceFailed(lines[-1])
    told: dict[str, Any] = json.loads(done.stdout)
    return Proven(Device(**told["device"]), told["memory"])
