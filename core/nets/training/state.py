"""Where a training stands: everything that it needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from core import strict_json
from core.arrays import Array
from core.errors import InvalidInput, UnsupportedMedia

_FORMAT = 1
_KEY = "convq.training"
_GROUPS = ("weights", "optimiser", "average", "best")


@dataclass(frozen=True)
class Progress:
    """The numbers of a training; the arrays are beside it in `State`.

    Attributes
    ----------
    epoch : int
        The one that runs, from 0; the number of epochs when all are done.
    step : int
        Batches of this epoch that are done.
    images, correct : int
        Of this epoch: images seen, and those whose class was found.
    loss : float
        Of this epoch: sum of the losses of its images.
    last_loss : float, optional
        Of the last batch.
    seconds : float
        Spent training and validating, over all attempts.
    best : float, optional
        The best value yet of the metric that early stopping watches.
    best_epoch : int, optional
        When it was reached, from 0.
    stopped : bool
        Whether early stopping has ended the training.
    history : tuple of dict
        One entry for each finished epoch.
    """

    epoch: int = 0
    step: int = 0
    images: int = 0
    correct: int = 0
    loss: float = 0.0
    last_loss: float | None = None
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int | None = None
    stopped: bool = False
    history: tuple[dict[str, Any], ...] = ()


_PROGRESS = TypeAdapter(Progress)


@dataclass
class State:
    """Arrays and numbers of a training.

    Attributes
    ----------
    weights : dict of str to ndarray
        Parameters, and what layers keep besides.
    optimiser : dict of str to ndarray
        What the optimiser keeps.
    average : dict of str to ndarray
        The moving average of the weights; empty if none is kept.
    best : dict of str to ndarray
        The weights of the best epoch; empty without early stopping and before its first epoch.
    progress : Progress
    """

    weights: dict[str, Array]
    optimiser: dict[str, Array]
    average: dict[str, Array] = field(default_factory=dict)
    best: dict[str, Array] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)


def save(state: State, path: Path, about: dict[str, Any]) -> None:
    """Write ``state`` into one safetensors file, synced to the disk.

    Parameters
    ----------
    state : State
    path : Path
        Where to; the file is there with all of its bytes, or as it was before.
    about : dict
        JSON-ready: which training this is. `restore` compares it, entry by entry.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    arrays = {
        f"{group}/{name}": np.asarray(array, order="C")
        for group in _GROUPS
        for name, array in getattr(state, group).items()
    }
    document = {"format": _FORMAT, "about": about, "progress": asdict(state.progress)}
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(arrays, partial, {_KEY: json.dumps(document, allow_nan=False)})
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except SafetensorError as error:
        raise _of_the_system(error) from error
    finally:
        partial.unlink(missing_ok=True)


def restore(path: Path, like: State, about: dict[str, Any]) -> State:
    """Read what `save` wrote, bit for bit.

    Parameters
    ----------
    path : Path
        The file.
    like : State
        A state of the same training, such as it begins with: names, shapes and dtypes must agree.
    about : dict
        As given to `save`.

    Returns
    -------
    State

    Raises
    ------
    UnsupportedMedia
        If the file is no checkpoint, or is damaged.
    InvalidInput
        If it belongs to another training (names what differs).

    Examples
    --------
    >>> import tempfile
    >>> state = State({"w": np.ones(2)}, {}, progress=Progress(epoch=3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "checkpoint")
    ...     save(state, path, {"seed": 1})
    ...     restore(path, State({"w": np.zeros(2)}, {}), {"seed": 1}).progress.epoch
    3
    """
    document, arrays = _read(path)
    found = document["about"]
    for name in about:
        if found.get(name) != about[name]:
            raise InvalidInput(
                f"the checkpoint is of another training: {name} differ",
                field="checkpoint",
                given=found.get(name),
                accepted=f"{about[name]!r}",
            )
    groups = {group: arrays.get(group, {}) for group in _GROUPS}
    _check(groups["weights"], like.weights)
    _check(groups["optimiser"], like.optimiser)
    _check(groups["average"], like.average)
    if groups["best"]:
        _check(groups["best"], like.weights)
    return State(**groups, progress=document["progress"])


def _of_the_system(error: SafetensorError) -> Exception:
    """Return the error of the system, such as a full disk, that the library only writes about."""
    found = re.search(r"\(os error (\d+)\)", str(error))
    return error if found is None else OSError(int(found[1]), os.strerror(int(found[1])))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Array]]]:
    arrays: dict[str, dict[str, Array]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            document = _document((file.metadata() or {})[_KEY])
            for key in file.keys():  # noqa: SIM118 - the file is no mapping
                group, _, name = key.partition("/")
                arrays.setdefault(group, {})[name] = file.get_tensor(key)
    except UnsupportedMedia:
        raise
    except (SafetensorError, KeyError, ValueError, OSError) as error:
        raise UnsupportedMedia(
            "no checkpoint of a training, or damaged", field="checkpoint", given=path.name
        ) from error
    return document, arrays


def _document(text: str) -> dict[str, Any]:
    """Return what is written beside the arrays, with ``progress`` as such."""
    document = strict_json.parse(text)
    if not isinstance(document, dict) or not isinstance(document.get("about"), dict):
        raise ValueError("no description of the training")
    if document.get("format") != _FORMAT:
        raise UnsupportedMedia(
            "written by another version of convq",
            field="checkpoint",
            given=document.get("format"),
            accepted=f"format {_FORMAT}",
        )
    return document | {"progress": _PROGRESS.validate_python(document.get("progress"))}


def _check(found: dict[str, Array], like: dict[str, Array]) -> None:
    def layout(arrays: dict[str, Array]) -> dict[str, tuple[Any, ...]]:
        return {name: (array.shape, str(array.dtype)) for name, array in arrays.items()}

    given, accepted = layout(found), layout(like)
    for name in sorted(given.keys() | accepted.keys()):
        if given.get(name) != accepted.get(name):
            raise InvalidInput(
                f"the checkpoint is of another net: {name} differs",
                field="checkpoint",
                given=given.get(name),
                accepted=f"{accepted.get(name)}",
            )
