"""The pictures of docs/frequency-filter.md."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from convq.gallery.material import grey
from core.frequency import Filter, grid, keep_largest, multiply, transfer
from core.media import to_range
from core.media.strip import strip


def frequency_filter() -> NDArray[np.uint8]:
    """Return a photograph through filters of each shape, and with ever fewer coefficients."""
    x = grey("camera.png")
    shown: list[tuple[str, NDArray[np.uint8]]] = [("the photograph", _levels(x))]
    for shape in ("ideal", "butterworth", "gaussian"):
        low = _filtered(x, Filter("low-pass", shape, 0.05))
        shown.append((f"low-pass, {shape}, 0.05", _levels(low)))
    high = _filtered(x, Filter("high-pass", "gaussian", 0.05))
    shown.append(("high-pass, gaussian, 0.05", to_range(high, np.uint8, "signed")))
    rows, columns = np.mgrid[: x.shape[0], : x.shape[1]]
    screened = x + 30 * np.cos(2 * np.pi * (0.17 * columns + 0.09 * rows)).astype(np.float32)
    shown.append(("with a wave of 0.17, 0.09", _levels(screened)))
    mended = _filtered(screened, Filter("notch", "gaussian", 0.01, notches=((0.09, 0.17),)))
    shown.append(("notch at 0.17, 0.09", _levels(mended)))
    for share in (0.05, 0.01):
        kept = keep_largest(x, share, (0, 1), "reflect").values
        psnr = 10 * np.log10(255**2 / np.mean((kept - x) ** 2))
        shown.append((f"{share:.0%} of the coefficients, {psnr:.1f} dB", _levels(kept)))
    return strip(shown, columns=5, height=200)


def _filtered(x: NDArray[Any], wanted: Filter) -> NDArray[Any]:
    mask = transfer(wanted, grid(x.shape, "reflect"), "reflect")
    filtered: NDArray[Any] = multiply(x, mask, (0, 1), "reflect")[0]
    return filtered


def _levels(x: NDArray[Any]) -> NDArray[Any]:
    return to_range(x, np.uint8, "clip")
