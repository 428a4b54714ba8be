"""Numbers for people."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float | None) -> str:
    """Write a duration with two digits that matter.

    Examples
    --------
    >>> [duration(seconds) for seconds in (0.000042, 0.0042, 0.42, 4.2, None)]
    ['42 µs', '4.2 ms', '420 ms', '4.2 s', '–']
    """
    if seconds is None:
        return "–"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale or unit == "µs":
            value = seconds / scale
            return f"{value:.1f} {unit}" if value < 9.95 else f"{_two_digits(value)} {unit}"
    raise AssertionError


def size(count: int | None) -> str:
    """Write a number of bytes in binary units.

    Examples
    --------
    >>> [size(count) for count in (0, 512, 1536, 40 << 20, None)]
    ['0 B', '512 B', '1.5 KiB', '40 MiB', '–']
    """
    if count is None:
        return "–"
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return (
        f"{value:.1f} {units[0]}" if 0 < value < 10 and count >= 1024 else f"{value:.0f} {units[0]}"
    )


def shape(sides: Sequence[int]) -> str:
    """Write the sides of an array.

    Examples
    --------
    >>> shape((3, 3))
    '3 × 3'
    """
    return " × ".join(map(str, sides))


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value < 100 else f"{round(value, -1 if value < 1000 else -2):.0f}"
