"""What the jobs of the dashboard's gallery begin with: small files, of free photographs."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from convq.gallery.material import colours, grey, page
from core.spectrum import rotate

_SIDE = 16
_SHAPES = 450


def coffee() -> bytes:
    """Return a photograph in colour."""
    return _jpeg(colours("coffee.png")[40:340, 100:500])


def camera() -> bytes:
    """Return a photograph of a man with a camera."""
    return _jpeg(grey("camera.png")[40:296, 100:356])


def screened() -> bytes:
    """Return a photograph with a wave over it: 0.17 along rows, 0.09 along columns."""
    x = grey("camera.png")[40:296, 100:356]
    rows, columns = np.mgrid[: x.shape[0], : x.shape[1]]
    return _jpeg(x + 30 * np.cos(2 * np.pi * (0.17 * columns + 0.09 * rows)))


def blurred() -> bytes:
    """Return a photograph after a Gaussian of sigma 2, with a little noise."""
    wide = gaussian_filter(grey("camera.png"), 2)[40:296, 100:356]
    return _png(wide + np.random.default_rng(0).normal(scale=1, size=wide.shape))


def coins() -> bytes:
    """Return a photograph of coins."""
    return _jpeg(grey("coins.png"))


def coin() -> bytes:
    """Return one of the coins."""
    return _png(grey("coins.png")[168:218, 78:126])


def noisy() -> bytes:
    """Return the coins with noise."""
    noise = np.random.default_rng(0).normal(scale=15, size=(303, 384))
    return _jpeg(grey("coins.png") + noise)


def turned() -> bytes:
    """Return a set page that was turned by 6.5 degrees."""
    return _jpeg(rotate(page(), 6.5))


def swinging() -> bytes:
    """Return a series that swings about 20, float64 of shape (300,)."""
    noise = np.random.default_rng(4).normal(size=400)
    return _npy(20 + lfilter([1.0], [1.0, -1.6, 0.8], noise)[100:])


def uneven() -> bytes:
    """Return a function that is known at 24 uneven points, float64 of shape (24, 2)."""
    random = np.random.default_rng(5)
    t = np.sort(np.concatenate([[0, 10], random.uniform(0, 10, 22)]))
    return _npy(np.stack([t, np.sin(t) + 0.15 * t], axis=1))


def passing() -> bytes:
    """Return a noisy video in which a disk passes, uint8 of shape (9, 75, 100)."""
    ground = grey("brick.png")[:300:4, :400:4]
    rows, columns = np.mgrid[:75, :100]
    frames = []
    for index in range(9):
        frame = ground + np.random.default_rng(index).normal(scale=20, size=ground.shape)
        frame[np.hypot(rows - 37, columns - 15 - 8 * index) < 10] = 230
        frames.append(_levels(frame))
    return _npy(np.stack(frames))


def shapes() -> bytes:
    """Return a data set: 450 disks, squares and triangles, x (450, 16, 16) and y (450,), uint8."""
    y = np.arange(_SHAPES) % 3
    random = np.random.default_rng(0)
    x = np.stack([_shape(int(which), random) for which in y])
    file = io.BytesIO()
    np.savez_compressed(file, x=x, y=y.astype(np.uint8))
    return file.getvalue()


def triangle() -> bytes:
    """Return one triangle that is not in the data set."""
    return _png(_shape(2, np.random.default_rng(1)))


def _shape(which: int, random: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    radius = random.uniform(3.5, 6)
    down, right = random.uniform(radius, _SIDE - 1 - radius, size=2)
    y, x = rows - down, columns - right
    inside = (
        np.hypot(y, x) < radius,
        np.maximum(np.abs(y), np.abs(x)) < 0.85 * radius,
        (y < 0.8 * radius) & (y > 2 * np.abs(x) - radius),
    )[which]
    # Few levels, so that the file is small.
    noise = 16 * random.integers(0, 4, size=inside.shape)
    return _levels(noise + np.where(inside, 200, 0))


def _levels(x: NDArray[Any]) -> NDArray[np.uint8]:
    levels: NDArray[np.uint8] = np.rint(np.clip(x, 0, 255)).astype(np.uint8)
    return levels


def _jpeg(x: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_levels(x)).save(file, "JPEG", quality=88)
    return file.getvalue()


def _png(x: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_levels(x)).save(file, "PNG", optimize=True)
    return file.getvalue()


def _npy(x: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


SAMPLES: Final[dict[str, Callable[[], bytes]]] = {
    "blurred.png": blurred,
    "camera.jpg": camera,
    "coffee.jpg": coffee,
    "coin.png": coin,
    "coins.jpg": coins,
    "noisy.jpg": noisy,
    "passing.npy": passing,
    "screened.jpg": screened,
    "shapes.npz": shapes,
    "swinging.npy": swinging,
    "triangle.png": triangle,
    "turned.jpg": turned,
    "uneven.npy": uneven,
}
"""By the name of the file: what makes its bytes."""
