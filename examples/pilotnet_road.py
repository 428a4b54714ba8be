"""PilotNet steers along a synthetic road.

``python -m examples.pilotnet_road`` draws what a camera sees from places beside the middle of bent
roads, trains the net on the angle that leads back, and says how far off it is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from examples.training import train

HEIGHT, WIDTH, HORIZON = 66, 200, 22


def view(bend: float, offset: float, random: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a road that bends by ``bend``, from ``offset`` half widths beside its middle.

    Returns
    -------
    ndarray of uint8, shape (3, 66, 200)
    """
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    below = np.maximum(rows - HORIZON, 0.5)
    depth = (HEIGHT - HORIZON) / below
    half = 70 / depth
    middle = WIDTH / 2 - offset * half + 6 * bend * (depth - 1)
    across = (columns - middle) / half
    ground = rows >= HORIZON
    grey = random.uniform(70, 110)
    picture = np.stack(
        np.broadcast_arrays(
            *(random.uniform(*level) + 0 * rows for level in ((30, 80), (90, 140), (20, 60)))
        )
    )
    picture[:, ground & (np.abs(across) < 1)] = grey
    picture[:, ground & (np.abs(np.abs(across) - 0.93) < 0.07)] = 230
    dashes = ground & (np.abs(across) < 0.04) & (np.sin(6 * depth + random.uniform(0, 6)) > 0)
    picture[:, dashes] = 230
    picture[:, ~ground] = np.array([120, 170, 230])[:, None]
    picture += random.normal(scale=6, size=picture.shape)
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def steering(bend: float, offset: float) -> float:
    """Return the angle that follows the bend and leads back to the middle."""
    return 0.6 * bend - 0.4 * offset


def write(path: Path, count: int, seed: int = 0) -> None:
    """Write a data set of views with the steering of each."""
    random = np.random.default_rng(seed)
    places = random.uniform(-1, 1, (count, 2))
    x = np.stack([view(bend, offset, random) for bend, offset in places])
    y = np.array([steering(bend, offset) for bend, offset in places], np.float32)
    np.savez(path, x=x, y=y)


def main(count: int = 2000, epochs: int = 10) -> Any:
    """Draw, train and tell; return the trained net."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "road.npz"
        write(path, count)
        trained = train(path, {"architecture": "pilotnet"}, outputs=1, epochs=epochs, batch=32,
                        validation=0.15)  # fmt: skip
    assert trained.evaluation is not None
    off = trained.evaluation.loss**0.5
    sys.stdout.write(f"steering is off by {off:.3f}, of angles from -1 to 1\n")
    return trained


if __name__ == "__main__":
    main()
