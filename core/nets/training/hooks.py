"""Whom a training tells how it goes, and whom it gives its state to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeAlias


class Report(Protocol):
    """Told how the training goes.

    ``metrics`` has ``epoch`` and ``epochs``, ``step`` and ``steps`` of the epoch, its ``loss`` and
    ``accuracy`` so far, ``learning_rate`` of the last step, ``images_per_second``, and
    ``seconds_left``; after an epoch, when ``lasts`` is set, also ``validation_loss`` and
    ``validation_accuracy``. It is JSON-ready; a figure that there is not is None.
    """

    def __call__(self, metrics: Mapping[str, Any], *, lasts: bool = False) -> None:
        """Take note of the figures."""


Checkpoint: TypeAlias = Callable[[Callable[[Path], None]], None]
"""Given a function that writes the state into a file: stores it."""


def nobody(metrics: Mapping[str, Any], *, lasts: bool = False) -> None:
    """Do nothing: the report of a training that nobody watches."""


def nowhere(write: Callable[[Path], None]) -> None:
    """Do nothing: the checkpoint of a training that is not kept."""
