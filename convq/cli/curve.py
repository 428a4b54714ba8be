"""A training as it goes, in the terminal: the curves of its losses, and its figures in a line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from convq.cli.console import text
from convq.units import duration

Points: TypeAlias = Sequence[tuple[float, float]]

# Braille characters hold two by four dots: the bit of each, by column and row from the top.
_BITS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_BRAILLE = 0x2800
_HEIGHT = 8
_LABELS = 10
_MOST_POINTS = 4000
_TRAINING, _VALIDATION = "cyan", "yellow"


class Curve:
    """What a training has told of itself so far; printing it draws the curves.

    Examples
    --------
    >>> curve = Curve()
    >>> curve.add({"epoch": 1, "epochs": 2, "step": 5, "steps": 5, "loss": 0.5, "accuracy": 0.9})
    >>> str(figures(curve.latest))
    'epoch 1 of 2, loss 0.5000, accuracy 90.00 %'
    """

    def __init__(self) -> None:
        self.latest: dict[str, Any] = {}
        self._training: list[tuple[float, float]] = []
        self._validation: list[tuple[float, float]] = []

    def add(self, metrics: Mapping[str, Any]) -> None:
        """Take note of a report, unless it is of a moment that was told of already."""
        self.latest = dict(metrics)
        at = metrics["epoch"] - 1 + metrics["step"] / metrics["steps"]
        # After a crash a training goes back to its checkpoint and tells of some steps again.
        for points in (self._training, self._validation):
            while points and points[-1][0] >= at:
                points.pop()
        if metrics.get("loss") is not None:
            self._training = [*self._training, (at, metrics["loss"])][-_MOST_POINTS:]
        if metrics.get("validation_loss") is not None:
            self._validation.append((at, metrics["validation_loss"]))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the curves as wide as the terminal."""
        everything = [*self._training, *self._validation]
        if len(everything) > 1:
            width = max(10, min(options.max_width, 100) - _LABELS)
            values = [value for _, value in everything]
            low, high = min(values), max(values)
            # A loss falls fast and then slowly: ratios show both. Some losses may be 0.
            scale = math.log if low > 0 else float
            until = float(self.latest["epochs"])
            series = [
                ([(x, scale(y)) for x, y in points], style)
                for points, style in ((self._training, _TRAINING), (self._validation, _VALIDATION))
            ]
            rows = draw(series, (0.0, until), (scale(low), scale(high)), width, _HEIGHT)
            for number, row in enumerate(rows):
                label = {0: f"{high:.4g}", _HEIGHT - 1: f"{low:.4g}"}.get(number, "")
                yield Text().append(f"{label:>{_LABELS - 2}} ┤", "dim").append_text(row)
            legend = Text(" " * _LABELS).append("loss", _TRAINING)
            if self._validation:
                legend.append("  ").append("validation loss", _VALIDATION)
            yield legend
        if self.latest:
            yield figures(self.latest)


def figures(metrics: Mapping[str, Any]) -> Text:
    """Return what a training, or the filtering of a video, told of itself last, in one line."""
    parts = [
        f"{what} {metrics[what]} of {metrics[what + 's']}"
        for what in ("epoch", "frame")
        if what + "s" in metrics
    ]
    parts += [
        f"{name.replace('_', ' ')} "
        + (f"{100 * value:.2f} %" if "accuracy" in name else f"{value:.4f}")
        for name in ("loss", "validation_loss", "accuracy", "validation_accuracy")
        if (value := metrics.get(name)) is not None
    ]
    if metrics.get("images_per_second"):
        parts.append(f"{metrics['images_per_second']:,.0f} images/s")
    if metrics.get("seconds_left"):
        parts.append(f"{duration(metrics['seconds_left'])} left")
    return text(", ".join(parts))


def draw(
    series: Sequence[tuple[Points, str]],
    xs: tuple[float, float],
    ys: tuple[float, float],
    width: int,
    height: int,
) -> list[Text]:
    """Draw curves in braille, one over the other.

    Parameters
    ----------
    series : sequence of (points, style)
        Points in the order of x.
    xs, ys : tuple of float
        What lies at the left and right, and at the bottom and top.
    width, height : int
        Characters.

    Examples
    --------
    >>> rows = draw([([(0, 0), (1, 1)], "")], (0, 1), (0, 1), 4, 2)
    >>> [row.plain for row in rows]
    ['  ⡠⠊', '⡠⠊  ']
    """
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    columns, lines = 2 * width, 4 * height
    for points, style in series:
        for x, y in _dots(points, xs, ys, columns, lines):
            place = (y // 4, x // 2)
            bits, _ = cells.get(place, (0, ""))
            cells[place] = (bits | _BITS[x % 2][y % 4], style)
    rows = []
    for row in range(height):
        line = Text()
        for column in range(width):
            bits, style = cells.get((row, column), (0, ""))
            line.append(chr(_BRAILLE + bits) if bits else " ", style)
        rows.append(line)
    return rows


def _dots(
    points: Points, xs: tuple[float, float], ys: tuple[float, float], columns: int, lines: int
) -> list[tuple[int, int]]:
    """Return the dots of a curve, each column of dots between two points filled."""
    placed = [
        (
            _scaled(x, xs, columns - 1),
            lines - 1 - _scaled(y, ys, lines - 1),
        )
        for x, y in points
    ]
    found = placed[:1]
    for (x0, y0), (x1, y1) in pairwise(placed):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        found += [
            (round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps))
            for i in range(1, steps + 1)
        ]
    return found


def _scaled(value: float, bounds: tuple[float, float], last: int) -> int:
    low, high = bounds
    share = (value - low) / (high - low) if high > low else 0.5
    return round(min(max(share, 0.0), 1.0) * last)
