"""How a worker's processes and devices fare: load, memory, and, where told, heat and power."""

from __future__ import annotations

import time
from typing import Any

import psutil

from core.conv.blocks import cores
from workers import gpus

# Names that Linux gives the sensor of a processor: Intel, AMD, ARM boards.
_PROCESSOR = ("coretemp", "k10temp", "cpu_thermal", "cpu-thermal")


class Vitals:
    """Measures this process and all that it has started, from one reading to the next.

    Parameters
    ----------
    gpu : str, optional
        UUID of the GPU that they compute on.
    """

    def __init__(self, gpu: str | None = None) -> None:
        self._gpu = gpu
        self._me = psutil.Process()
        self._before: dict[int, float] = {}
        self._at = time.monotonic()

    def read(self) -> dict[str, Any]:
        """Return what can be told now.

        Returns
        -------
        dict
            ``utilisation``, the share of the usable cores since the reading before; ``memory``,
            resident bytes; ``temperature`` of the processor in degrees Celsius, None where nothing
            tells it; ``gpus``, those that they compute on, as `workers.gpus.read` returns them.
        """
        seconds, memory = 0.0, 0
        used: dict[int, float] = {}
        for process in (self._me, *self._me.children(recursive=True)):
            try:
                with process.oneshot():
                    times, resident = process.cpu_times(), process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
            used[process.pid] = times.user + times.system
            seconds += used[process.pid] - self._before.get(process.pid, 0.0)
            memory += resident
        now = time.monotonic()
        # What a process had used when it was seen first may be of before.
        is_first = not self._before
        share = seconds / max(now - self._at, 1e-3) / cores()
        self._before, self._at = used, now
        return {
            "utilisation": None if is_first else round(min(max(share, 0.0), 1.0), 3),
            "memory": memory,
            "temperature": _temperature(),
            "gpus": [] if self._gpu is None else [gpus.read(self._gpu)],
        }


def _temperature() -> float | None:
    # Linux and FreeBSD only, and there only where the machine has sensors.
    read = getattr(psutil, "sensors_temperatures", dict)
    found: dict[str, list[Any]] = read()
    for name in _PROCESSOR:
        if entries := found.get(name):
            return float(max(entry.current for entry in entries))
    return None
