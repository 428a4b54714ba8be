"""What a training leaves: the model, its figures, and pictures of what it has learned."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from core.jobs.run import Run
from core.media import JSON, PNG, SAFETENSORS
from core.media.jsonable import finite
from core.nets import pictures
from core.nets.model import Model, save
from core.nets.training.trainer import Trained, Trainer

MODEL = "model.safetensors"
METRICS = "metrics.json"
TRAINING = "training.safetensors"


def deliver(run: Run, trainer: Trainer, trained: Trained, spec: dict[str, Any]) -> None:
    """Store the results of a training that has come to its end.

    The model does not tell of times, so that the same training gives the same file.
    """
    network, info = trainer.network, trainer.data.info
    found = trained.evaluation
    last = trained.history[trained.epoch - 1]
    metrics = {"epoch": trained.epoch, "loss": last["loss"], "accuracy": last["accuracy"]}
    if found is not None:
        metrics |= {"validation_loss": found.loss, "validation_accuracy": found.accuracy}
    about = {
        "task": info.task,
        "classes": None if info.classes is None else list(info.classes),
        "data": info.about,
        "metrics": {name: value for name, value in metrics.items() if value is not None},
        "lineage": {"spec": spec, "data": spec["data"], "convq": version("convq")},
    }
    model = Model(network.spec, trained.weights, finite(about))
    _put(run, MODEL, SAFETENSORS, spec["data"], partial(save, model))
    _put_json(
        run,
        METRICS,
        spec["data"],
        metrics
        | _history(trained.history)
        | {
            "parameters": network.parameter_count,
            "multiply_adds": network.multiply_adds,
            "images": len(trainer.data),
            "evaluation": None if found is None else found.to_dict(),
        },
    )
    for name, png in _pictures(trainer, trained).items():
        _put(run, name, PNG, spec["data"], partial(_write, png))


def deliver_paused(run: Run, trainer: Trainer, data: str) -> None:
    """Store the state of a training that shall go on in another job."""
    _put(run, TRAINING, SAFETENSORS, data, trainer.save)
    _put_json(run, METRICS, data, _history(trainer.state.progress.history))


def _history(history: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    return {"history": list(history)}


def _pictures(trainer: Trainer, trained: Trained) -> dict[str, bytes]:
    """Return the pictures that there are to draw, by name."""
    network = trainer.network
    drawn = {}
    first = next((node for node in network.nodes if node.layer.name == "conv"), None)
    if first is not None:
        drawn["filters.png"] = pictures.filters(trained.weights[f"{first.name}.weight"])
        data = trainer.validation or trainer.data
        sample = trainer.validation_images[:1] if trainer.validation else np.arange(1)
        x, _ = data.batch(sample)
        maps = network.run(trained.weights, x, output=first.name)
        drawn["feature-maps.png"] = pictures.feature_maps(maps[0])
    found = trained.evaluation
    if found is not None and found.confusion is not None and trainer.data.classes is not None:
        drawn["confusion.png"] = pictures.confusion(found.confusion, trainer.data.classes)
    return drawn


def _put_json(run: Run, name: str, source: str, document: dict[str, Any]) -> None:
    text = json.dumps(finite(document), allow_nan=False)
    _put(run, name, JSON, source, partial(_write, text.encode()))


def _put(run: Run, name: str, media_type: str, source: str, write: Callable[[Path], None]) -> None:
    run.deliver(name, source=source, media_type=media_type, write=write)


def _write(data: bytes, path: Path) -> None:
    path.write_bytes(data)
