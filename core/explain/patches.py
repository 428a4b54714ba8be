"""A convolution place by place: a patch times the kernel, added up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from core.arrays import Array, common_module, to_numpy
from core.conv.boundary import Boundary, extend

_RED: Final = (220, 40, 40)
_PAPER: Final = (255, 255, 255)
_PANEL: Final = 144
_GAP: Final = 12
_LINE: Final = 20


@dataclass(frozen=True, eq=False)
class Step:
    """One output.

    Attributes
    ----------
    place : tuple of int
        Row and column of the output.
    patch : ndarray, shape (KH, KW)
        What the kernel lies on, with what is outside.
    products : ndarray, shape (KH, KW)
        The patch times the kernel turned by half a turn.
    sum : float
        Of the products: the output.
    """

    place: tuple[int, int]
    patch: Array
    products: Array
    sum: float


def steps(
    x: Array,
    kernel: Array,
    boundary: Boundary = "reflect",
    first: int = 0,
    every: int = 1,
) -> Iterator[Step]:
    """Convolve one output after another, row by row.

    Parameters
    ----------
    x : ndarray, shape (H, W)
        Real.
    kernel : ndarray, shape (KH, KW)
        Real, on the same device; its centre is at ``k // 2``.
    boundary : str
        What lies outside: any of the engine's but zero.
    first, every : int
        Which outputs, counted row by row.

    Yields
    ------
    Step
        As `core.conv.convolve` computes it, mode same; its arrays are on that device, too.

    Raises
    ------
    InvalidInput
        Picture and kernel lie on different devices.

    Examples
    --------
    >>> x = np.array([[1.0, 2.0, 4.0]])
    >>> [step.sum for step in steps(x, np.array([[1.0, 0.0, -1.0]]), "nearest")]
    [1.0, 3.0, 2.0]
    """
    # An output at n is made of the values from n - (k - 1 - k // 2) to n + k // 2.
    reach = tuple((k - 1 - k // 2, k // 2) for k in kernel.shape)
    around = common_module(x=x, kernel=kernel).asarray(extend(x, reach, boundary, 0))
    turned = kernel[::-1, ::-1]
    height, width = kernel.shape
    for number in range(first, x.size, every):
        row, column = divmod(number, x.shape[1])
        patch = around[row : row + height, column : column + width]
        products = patch * turned
        yield Step((row, column), patch, products, float(products.sum()))


def draw_step(x: Array, kernel: Array, done: Array, step: Step) -> NDArray[np.uint8]:
    """Draw an output as it comes about: the picture, the patch, the kernel, what there is so far.

    It is drawn on the host, to which all arrays are brought.

    Parameters
    ----------
    x : ndarray, shape (H, W)
        From 0 to 255.
    kernel : ndarray, shape (KH, KW)
        Blue where it is negative, red where it is positive.
    done : ndarray, shape (H, W)
        The outputs, from 0 to 255; those behind ``step`` are not shown.
    step : Step
        The output that is computed.

    Returns
    -------
    ndarray of uint8, shape (188, 636, 3)

    Examples
    --------
    >>> x, kernel = np.zeros((4, 5)), np.ones((3, 3)) / 9
    >>> draw_step(x, kernel, x, next(steps(x, kernel))).shape
    (188, 636, 3)
    """
    x, kernel, done = to_numpy(x), to_numpy(kernel), to_numpy(done)
    products = to_numpy(step.products)
    row, column = step.place
    shown = np.repeat(done[..., None], 3, axis=-1)
    behind = np.arange(done.size).reshape(done.shape) > row * done.shape[1] + column
    shown[behind] = _PAPER
    largest = float(np.abs(products).max()) or 1.0
    panels = [
        ("the picture", _panel(np.repeat(x[..., None], 3, axis=-1))),
        ("the kernel, turned", _panel(_signed(kernel[::-1, ::-1]))),
        ("patch times kernel", _panel(_signed(products / largest))),
        (f"their sum: {step.sum:.1f}", _panel(shown)),
    ]
    _box(panels[0][1], x.shape, (row - (kernel.shape[0] - 1) // 2,
                                 column - (kernel.shape[1] - 1) // 2), kernel.shape)  # fmt: skip
    _box(panels[3][1], x.shape, step.place, (1, 1))
    width = len(panels) * (_PANEL + _GAP) + _GAP
    canvas = Image.new("RGB", (width, _PANEL + _LINE + 2 * _GAP), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for number, (caption, image) in enumerate(panels):
        left = _GAP + number * (_PANEL + _GAP)
        top = _GAP + (_PANEL - image.height) // 2
        canvas.paste(image, (left + (_PANEL - image.width) // 2, top))
        draw.text((left, _GAP + _PANEL + 4), caption, fill="black", font=font)
    return np.asarray(canvas)


def _panel(colours: NDArray[Any]) -> Image.Image:
    levels = np.rint(np.clip(colours, 0, 255)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(levels))
    scale = _PANEL / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST)


def _signed(values: NDArray[Any]) -> NDArray[Any]:
    """Return colours: white for 0, red for the largest magnitude, blue for minus that."""
    share = values / (float(np.abs(values).max()) or 1.0)
    positive, negative = np.maximum(share, 0), np.maximum(-share, 0)
    colours: NDArray[Any] = 255 * np.stack(
        [1 - 0.8 * negative, 1 - 0.75 * (positive + negative), 1 - 0.8 * positive], axis=-1
    )
    return colours


def _box(
    image: Image.Image, shape: tuple[int, ...], place: tuple[int, int], size: tuple[int, ...]
) -> None:
    up, across = image.height / shape[0], image.width / shape[1]
    top, left = place[0] * up, place[1] * across
    ImageDraw.Draw(image).rectangle(
        (left, top, left + size[1] * across, top + size[0] * up), outline=_RED, width=2
    )
