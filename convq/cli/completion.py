"""What the shell offers after a Tab. It is silent about trouble: nobody asked for a command."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

# Newest first; a longer list helps nobody.
_MOST_JOBS = 50
# Seconds of silence of the service; a Tab that takes longer is worse than one that offers nothing.
_PATIENCE = 1.0


def presets(incomplete: str) -> list[str]:
    """Return the names of kernels that begin so."""
    from core.kernels import PRESETS

    return [preset.name for preset in PRESETS if preset.name.startswith(incomplete)]


def samples(incomplete: str) -> list[str]:
    """Return the names of data sets that can be made and begin so."""
    from convq.datasets import SAMPLES

    return [sample.name for sample in SAMPLES if sample.name.startswith(incomplete)]


def job_ids(incomplete: str) -> Iterator[tuple[str, str]]:
    """Return the ids of recent jobs that begin so, each with what it is."""
    from convq.client import Client
    from core.errors import ConvqError

    try:
        with Client(timeout=_PATIENCE) as client:
            for job in islice(client.jobs(), _MOST_JOBS):
                if job.id.startswith(incomplete):
                    yield job.id, " ".join(filter(None, (job.state, job.label)))
    except ConvqError:
        return


def models(incomplete: str) -> Iterator[str]:
    """Return the names of models, and their aliases, that begin so."""
    from convq.client import Client
    from core.errors import ConvqError

    try:
        with Client(timeout=_PATIENCE) as client:
            for model in islice(client.models(), _MOST_JOBS):
                names = [model.name, *(f"{model.name}@{alias}" for alias in model.aliases)]
                yield from (name for name in names if name.startswith(incomplete))
    except ConvqError:
        return


def groups(incomplete: str) -> Iterator[str]:
    """Return the names of groups of boxes that begin so."""
    from convq.client import Client
    from core.errors import ConvqError

    try:
        with Client(timeout=_PATIENCE) as client:
            yield from (g.name for g in client.edge_groups() if g.name.startswith(incomplete))
    except ConvqError:
        return
