"""Quantities as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def duration(seconds: float | None) -> str:
    """Return seconds in the unit that fits.

    Examples
    --------
    >>> duration(0.0000042), duration(0.0123), duration(4.2), duration(725), duration(None)
    ('4.2 us', '12.3 ms', '4.20 s', '12 min 5 s', '-')
    >>> duration(9000), duration(1e6), duration(1e15)
    ('2 h 30 min', '278 h', '2.8e+11 h')
    """
    if seconds is None:
        return "-"
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.3g} us"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 59.995:
        return f"{seconds:.2f} s"
    if seconds < 3599.5:
        return "{} min {} s".format(*divmod(round(seconds), 60))
    hours = seconds / 3600
    if hours < 99.99:
        return "{} h {} min".format(*divmod(round(seconds / 60), 60))
    return f"{hours:.0f} h" if hours < 1e6 else f"{hours:.2g} h"


def size(count: int | None) -> str:
    """Return bytes in the unit that fits, in powers of 1000.

    Examples
    --------
    >>> size(512), size(1_234_567), size(None)
    ('512 B', '1.2 MB', '-')
    >>> size(10**18), size(10**30)
    ('1.0 EB', '1e+12 EB')
    """
    if count is None:
        return "-"
    if count < 1000:
        return f"{count} B"
    value = float(count)
    units = iter(("kB", "MB", "GB", "TB", "PB", "EB"))
    unit = next(units)
    value /= 1000
    while value >= 999.95 and unit != "EB":
        unit = next(units)
        value /= 1000
    return f"{value:.1f} {unit}" if value < 999.95 else f"{value:.2g} {unit}"


def age(moment: datetime | None) -> str:
    """Return how long ago a moment was, in one unit.

    Examples
    --------
    >>> from datetime import timedelta
    >>> age(datetime.now(UTC) - timedelta(minutes=3, seconds=5))
    '3m'
    """
    if moment is None:
        return "-"
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def dimensions(shape: Sequence[int]) -> str:
    """Return a shape as people write it.

    Examples
    --------
    >>> dimensions((480, 640))
    '480 × 640'
    """
    return " × ".join(map(str, shape))
