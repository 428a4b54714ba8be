"""How fast a training goes, how long it will take, and when to say so."""

from __future__ import annotations

import time
from collections.abc import Callable

_REPORT_SECONDS = 0.5

Clock = Callable[[], float]


class Pace:
    """Count images against a clock.

    Parameters
    ----------
    checkpoint_seconds : float
        Time between checkpoints.
    clock : callable
        Seconds that only go forward.

    Examples
    --------
    >>> times = iter([0.0, 0.25, 2.0])
    >>> pace = Pace(30.0, clock=lambda: next(times))
    >>> pace.count(100, training=0.25)
    >>> pace.report_due(), pace.images_per_second, pace.report_due()
    (False, 400.0, True)
    """

    def __init__(self, checkpoint_seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._checkpoint_seconds = checkpoint_seconds
        self._reported = self._saved = clock()
        self._images = 0
        self._training = 0.0

    def count(self, images: int, *, training: float) -> None:
        """Add a batch that took ``training`` seconds."""
        self._images += images
        self._training += training

    @property
    def images_per_second(self) -> float:
        """Of training itself, without validation and checkpoints."""
        return self._images / self._training if self._training else 0.0

    def report_due(self) -> bool:
        """Return whether the last report is half a second old; if so, another one begins."""
        now = self._clock()
        if now - self._reported < _REPORT_SECONDS:
            return False
        self._reported = now
        return True

    def checkpoint_due(self) -> bool:
        """Return whether it is time for a checkpoint; if so, the time begins anew."""
        now = self._clock()
        if now - self._saved < self._checkpoint_seconds:
            return False
        self._saved = now
        return True
