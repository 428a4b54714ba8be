from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.nets.training.options import EarlyStopping, Metric
from core.nets.training.state import Progress
from core.nets.training.stopping import after_epoch


@pytest.mark.parametrize("metric", ["validation_loss", "validation_accuracy"])
@given(
    values=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=12),
    patience=st.integers(1, 4),
)
def test_it_stops_after_so_many_epochs_that_are_no_better_than_the_best(
    metric: Metric, values: list[float], patience: int
) -> None:
    wanted = EarlyStopping(patience=patience, metric=metric)
    choose = max if metric == "validation_accuracy" else min
    progress = Progress()
    for epoch, value in enumerate(values):
        progress, best = after_epoch(wanted, replace(progress, epoch=epoch + 1), value)
        seen = values[: epoch + 1]
        first = seen.index(choose(seen))
        assert best == (first == epoch)
        assert (progress.best, progress.best_epoch) == (choose(seen), first)
        assert progress.stopped == (epoch - first >= patience)
        if progress.stopped:
            break
