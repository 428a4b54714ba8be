"""What fewer bits do to a model, on data with answers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.edge.runtime.model import EdgeModel
from core.nets.data import Dataset
from core.nets.model import Model

_BATCH = 256


@dataclass(frozen=True)
class Change:
    """How a model does as it was trained, and as a bundle stores it.

    Attributes
    ----------
    images : int
        Of how many.
    exact, stored : float, optional
        The share of images whose class is right; None where images have no classes.
    difference : float
        The largest difference of an output, as a share of the largest output.
    """

    images: int
    exact: float | None
    stored: float | None
    difference: float


def change(model: Model, bundle: bytes, data: Dataset, limit: int = 1000) -> Change:
    """Compare a model with its bundle, which runs with NumPy here.

    Parameters
    ----------
    model : Model
        As it was trained.
    bundle : bytes
        As `core.edge.bundle.build` returned it.
    data : Dataset
        Images for the net; the first ``limit`` of them are taken.
    limit : int
        How many.
    """
    count = min(limit, len(data))
    labelled = data.info.task == "classification"
    right, difference, largest = np.zeros(2, int), 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle"
        path.write_bytes(bundle)
        stored = EdgeModel(str(path), machine_code=False)
        for first in range(0, count, _BATCH):
            x, y = data.batch(np.arange(first, min(first + _BATCH, count)))
            wanted = np.asarray(model.run(x))
            found = np.stack([stored.predict(image).copy() for image in x])
            difference = max(difference, float(np.abs(found - wanted).max()))
            largest = max(largest, float(np.abs(wanted).max()))
            if labelled:
                right += [int((z.argmax(axis=1) == y).sum()) for z in (wanted, found)]
    exact, as_stored = (right / count).tolist() if labelled else (None, None)
    return Change(count, exact, as_stored, difference / largest if largest else difference)
