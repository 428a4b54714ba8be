"""Train a named architecture on a file, in this process: what a job of the kind train does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from core.nets.architectures import AnyArchitecture, architecture_of
from core.nets.data import DataOptions, load
from core.nets.network import Network
from core.nets.training.options import TrainOptions
from core.nets.training.trainer import Trained, Trainer


def train(path: Path, architecture: dict[str, Any], **rest: Any) -> Trained:
    """Train on the data set at ``path``; what is kept aside is evaluated at the end.

    Parameters
    ----------
    path, architecture, **rest
        See `trainer`.
    """
    return trainer(path, architecture, **rest).run(report=tell)


def trainer(
    path: Path,
    architecture: dict[str, Any],
    *,
    outputs: int | None = None,
    reading: DataOptions | None = None,
    **options: Any,
) -> Trainer:
    """Return the training of an architecture on the data set at ``path``.

    Parameters
    ----------
    path : Path
        A data set of one of convq's formats.
    architecture : dict
        As in a job, such as ``{"architecture": "pilotnet"}``.
    outputs : int, optional
        Numbers to learn; by default the classes of the data set.
    reading : DataOptions, optional
        How to read the data set.
    **options
        Fields of `TrainOptions`.
    """
    data = load(path, reading)
    spec: Any = TypeAdapter(AnyArchitecture).validate_python(architecture)
    net = architecture_of(spec).build(spec, data.shape, outputs or len(data.classes or ()))
    return Trainer(Network(net), data, TrainOptions.model_validate(options))


def tell(metrics: Mapping[str, Any], *, lasts: bool = False) -> None:
    """Write the figures of an epoch."""
    if lasts:
        figures = {name: metrics.get(name) for name in ("epoch", "loss", "validation_loss")}
        sys.stderr.write("  ".join(f"{name} {value}" for name, value in figures.items()) + "\n")
