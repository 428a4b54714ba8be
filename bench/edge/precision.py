"""What storing weights in fewer bits costs: nets trained on digits, looked at through bundles."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.edge.accuracy import change
from core.edge.bundle import build
from core.edge.precision import PRECISIONS
from core.edge.profiles import profile
from core.edge.signing import SigningKey
from core.nets.architectures import ARCHITECTURES
from core.nets.data import Dataset, load
from core.nets.model import Model
from core.nets.network import Network
from core.nets.training.options import TrainOptions
from core.nets.training.split import split
from core.nets.training.trainer import Trainer

_NETS = ("lenet5", "small-cnn")
_UNSEEN = 10_000
_BOARDS = ("jetson-tk1", "arm64", "x86")
_OPTIONS: dict[str, Any] = {
    "epochs": 4,
    "batch": 128,
    "optimiser": {"optimiser": "adamw", "weight_decay": 0.01},
    "schedule": {"schedule": "one_cycle", "rate": 0.004},
    "seed": 0,
}


def precisions(path: Path) -> list[dict[str, Any]]:
    """Return a row for each net and precision: right answers of unseen images, sizes of bundles."""
    data, unseen = _divided(load(path))
    options = TrainOptions.model_validate(_OPTIONS)
    key, rows = SigningKey.new(), []
    for name in _NETS:
        architecture = next(a for a in ARCHITECTURES if a.name == name)
        spec = architecture.spec.model_validate({"architecture": name})
        net = architecture.build(spec, data.shape, len(data.classes or ()))
        trainer = Trainer(Network(net), data, options, validation=unseen)
        trained = trainer.run()
        model = Model(trainer.network.spec, trained.weights)
        for precision in PRECISIONS:
            made = {
                board: build(model, profile(board), key, name=name, precision=precision)
                for board in _BOARDS
            }
            cost = change(model, made["x86"], unseen, limit=len(unseen))
            sizes = {board: len(content) for board, content in made.items()}
            rows.append({"net": name, "precision": precision, "bytes": sizes} | asdict(cost))
            print(rows[-1], flush=True)
    return rows


def _divided(data: Dataset) -> tuple[Dataset, Dataset]:
    """Return what to learn from, and images that are looked at in the end only."""
    share = min(0.5, _UNSEEN / len(data))
    parts = split(len(data), share, _OPTIONS["seed"], data.y, data.classes or ())
    return _part(data, parts[0]), _part(data, parts[1])


def _part(data: Dataset, which: NDArray[np.int64]) -> Dataset:
    x, y = data.batch(which)
    file = io.BytesIO()
    np.savez(file, x=x, y=y)
    return load(file.getvalue())
