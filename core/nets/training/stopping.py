"""When a training has become as good as it will."""

from __future__ import annotations

from dataclasses import replace

from core.nets.training.options import EarlyStopping
from core.nets.training.state import Progress


def after_epoch(wanted: EarlyStopping, progress: Progress, value: float) -> tuple[Progress, bool]:
    """Take note of an epoch's figure.

    Parameters
    ----------
    wanted : EarlyStopping
    progress : Progress
        After the epoch.
    value : float
        Of the metric that is watched.

    Returns
    -------
    progress : Progress
        With the best figure yet; stopped if the last so many epochs were no better.
    best : bool
        Whether this epoch is the best yet. Of equals the first is.

    Examples
    --------
    >>> progress = Progress(epoch=4, best=0.5, best_epoch=2)
    >>> found, best = after_epoch(EarlyStopping(patience=1), progress, 0.6)
    >>> found.stopped, best
    (True, False)
    """
    epoch = progress.epoch - 1
    if progress.best is None or _better(wanted, value, progress.best):
        return replace(progress, best=value, best_epoch=epoch), True
    assert progress.best_epoch is not None
    return replace(progress, stopped=epoch - progress.best_epoch >= wanted.patience), False


def _better(wanted: EarlyStopping, value: float, best: float) -> bool:
    return value > best if wanted.metric == "validation_accuracy" else value < best
