"""Whether the GPU of a worker works: tested before it takes jobs, and whenever it is suspected."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

from workers.trial import DeviceFailed, Proven

log = logging.getLogger(__name__)

_MOST_DOUBLINGS = 6


class Complains(Protocol):
    """What the driver says of a GPU."""

    def read(self) -> str | None:
        """Return what has happened since the last look."""


class Health:
    """Takes the GPU of a worker out of service while it does not work.

    A GPU that is not proven is out. One that is suspected, since the driver complains of it or the
    process that used it has died, is out until a test shows that it works; if the test fails, the
    next one comes later and later.

    Parameters
    ----------
    prove : callable
        Tests the GPU; raises `workers.trial.DeviceFailed`.
    alarm : Complains
        Tells what the driver complains about.
    name : str
        Of the GPU, for the log.
    changed : callable
        Called after the GPU was taken out or put back.
    retry : float
        Seconds after a failed test until the next one; twice as long each time.

    Attributes
    ----------
    fault : str or None
        Why it is out; None while it works.
    proven : Proven or None
        What it is; None until the first test that it has passed.
    """

    def __init__(
        self,
        prove: Callable[[], Proven],
        alarm: Complains,
        name: str,
        changed: Callable[[], None],
        *,
        retry: float,
    ) -> None:
        self.fault: str | None = "it is being tested"
        self.proven: Proven | None = None
        self._prove = prove
        self._alarm = alarm
        self._name = name
        self._changed = changed
        self._retry = retry
        self._failures = 0
        self._test_at = 0.0
        self._suspected = threading.Lock()

    @property
    def works(self) -> bool:
        """Whether the worker may take jobs."""
        return self.fault is None

    @property
    def failed(self) -> bool:
        """Whether the last test was failed, so that nothing that runs on the GPU can succeed."""
        return self._failures > 0

    def told(self) -> dict[str, Any]:
        """Return what others are to know."""
        told: dict[str, Any] = {"fault": self.fault}
        if self.proven is not None:
            told |= {"gpu": asdict(self.proven.device), "gpu_memory": self.proven.memory}
        return told

    def suspect(self, why: str) -> None:
        """Take it out until it has passed a test."""
        with self._suspected:
            if self.works:
                self.fault, self._test_at = why, 0.0

    def watch(self) -> None:
        """Look what the driver says, and test the GPU if it is time to."""
        complaint = self._alarm.read()
        if complaint is not None and self.works:
            log.warning("%s is tested: %s", self._name, complaint)
            self.suspect(complaint)
        if self.works or time.monotonic() < self._test_at:
            return
        why = self.fault
        try:
            proven = self._prove()
        except DeviceFailed as error:
            delay = self._retry * 2 ** min(self._failures, _MOST_DOUBLINGS)
            self._failures += 1
            self._test_at = time.monotonic() + delay
            self.fault = str(error)
            log.warning(
                "%s is out of service: %s; it is tested again in %.1f s", self._name, error, delay
            )
        else:
            self._failures = 0
            self.proven, self.fault = proven, None
            log.info("%s works: %s", self._name, proven.device.name, extra={"before": why})
        self._changed()
