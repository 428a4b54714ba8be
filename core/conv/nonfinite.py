"""NaN and infinity reach the outputs that the definition lets them reach, whatever runs.

A transform spreads one NaN over all of its outputs. So fast algorithms see zeros in place of
what is not finite, and the outputs that each NaN and infinity reaches are counted by convolving
indicators, which is exact: an output is NaN where a NaN, a product of zero and infinity, or
infinities of both signs reach it; else infinite where one does.

Magnitudes that would overflow inside a transform are scaled by a power of two, which is exact.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from core.arrays import Array, array_module
from core.conv import codegen
from core.conv.algorithm import Algorithm
from core.conv.algorithms import fft_tiled, fft_whole
from core.conv.blocks import Check
from core.conv.boundary import Extended
from core.conv.capturable import is_capturable
from core.conv.device import device_of
from core.conv.fixed import once
from core.conv.integers import accumulator
from core.conv.normal import NormalForm

# Sums over a transform stay finite in float32 between these magnitudes.
_LARGE, _SMALL = 2.0**40, 2.0**-40
# Elements from which on a generated kernel finds the peak sooner.
_LONG = 1 << 14
# Bytes of a kernel that many calls are likely to share.
_KEPT_BYTES = 1 << 12


def run(
    algorithm: Algorithm,
    form: NormalForm,
    x: Array,
    w: Array,
    out: Array,
    *,
    check: Check,
    memory_cap: int | None,
) -> None:
    """Run ``algorithm`` so that its result means what the definition says."""
    carries = algorithm.carries_nonfinite(form, device_of(x))
    unseen = "w" in carries or is_capturable()
    if form.bits is not None or ("x" in carries and (unseen or _is_finite(w))):
        algorithm.run(form, x, w, out, check=check, memory_cap=memory_cap)
        return
    x_peak, w_peak = peak(x), once(w, "peak", lambda: peak(w))
    finite_x, x_shift = _tamed(x, x_peak, form.dtype)
    finite_w, w_shift = _tamed(w, w_peak, form.dtype)
    algorithm.run(form, finite_x, finite_w, out, check=check, memory_cap=memory_cap)
    if x_shift or w_shift:
        _scale(out, x_shift + w_shift)
    if not (math.isfinite(x_peak) and math.isfinite(w_peak)):
        _mark(form, x.astype(form.dtype, copy=False), w, out, check=check, memory_cap=memory_cap)


def peak(x: Array) -> float:
    """Return the largest magnitude of ``x`` (of its real and imaginary parts): one pass.

    NaN or infinity where ``x`` holds one.

    Examples
    --------
    >>> peak(np.array([1, -3])), peak(np.array([np.inf, np.nan]))
    (3.0, nan)
    """
    if isinstance(x, Extended):
        # What lies outside repeats what is inside, or is a number that is known.
        return float(np.maximum(peak(x.base), abs(x.cval) if x.boundary == "constant" else 0))
    if type(x) is np.ndarray and x.nbytes <= _KEPT_BYTES:
        return _known_peak(x.tobytes(), x.dtype)
    return _peak(x)


@lru_cache(maxsize=1024)
def _known_peak(x: bytes, dtype: np.dtype[Any]) -> float:
    # Kernels are used again; to hash a small one takes less time than to look through it.
    return _peak(np.frombuffer(x, dtype))


def _peak(x: Array) -> float:
    if x.size >= _LONG and codegen.available() and _is_plain(x):
        from core.conv.codegen import peak as generated

        return generated.peak(x.view(x.real.dtype))
    if x.dtype.kind == "c":
        parts = _peak(x.real), _peak(x.imag)
        return max(parts, key=lambda part: (math.isnan(part), part))
    xp = array_module(x)
    high, low = float(xp.max(x)), float(xp.min(x))
    return high if math.isnan(high) else max(high, -low)


def _is_plain(x: Array) -> bool:
    # Whether x is as generated kernels read it.
    flags = x.flags
    return type(x) is np.ndarray and x.dtype.char in "fdFD" and flags.c_contiguous and flags.aligned


def _is_finite(x: Array) -> bool:
    if type(x) is np.ndarray and x.nbytes <= _KEPT_BYTES:
        return math.isfinite(peak(x))
    return once(x, "finite", lambda: _sum_is_finite(x))


def _sum_is_finite(x: Array) -> bool:
    # What is not finite makes the sum so. A sum may overflow by itself: then the peak tells.
    with np.errstate(over="ignore", invalid="ignore"):
        total = complex(x.sum())
    return cmath.isfinite(total) or math.isfinite(peak(x))


def _tamed(x: Array, largest: float, dtype: str) -> tuple[Array, int]:
    # Finite values of moderate size, and the power of two by which they were divided.
    if _SMALL <= largest <= _LARGE:
        return x, 0
    if isinstance(x, Extended):
        x = np.asarray(x)
    if not math.isfinite(largest):
        x = array_module(x).where(array_module(x).isfinite(x), x, x.dtype.type(0))
        largest = peak(x)
    if largest == 0 or _SMALL <= largest <= _LARGE:
        return x, 0
    x = x.astype(dtype)
    shift = math.frexp(largest)[1]
    _scale(x, -shift)
    return x, shift


def _scale(x: Array, power: int) -> None:
    real = x.view(x.real.dtype)
    with np.errstate(over="ignore", under="ignore"):
        array_module(x).ldexp(real, power, out=real)


def _mark(
    form: NormalForm, x: Array, w: Array, out: Array, *, check: Check, memory_cap: int | None
) -> None:
    # A complex product is four real ones; each part of the output is the sum of two.
    if form.is_complex:
        parts = [
            (out.real, [(x.real, w.real), (x.imag, -w.imag)]),
            (out.imag, [(x.real, w.imag), (x.imag, w.real)]),
        ]
    else:
        parts = [(out, [(x, w)])]
    bits = (4 * form.taps * form.group_channels).bit_length()
    counting = replace(form, dtype=accumulator(bits), bits=bits, rank=None)
    algorithm = next(
        a for a in (fft_tiled.ALGORITHM, fft_whole.ALGORITHM) if not a.refuses(counting)
    )

    def reached(pairs: Iterable[tuple[Array, Array]]) -> Array:
        xp = array_module(x)
        total, counts = xp.zeros(form.out_shape, bool), xp.empty(form.out_shape, counting.dtype)
        for inputs, weights in pairs:
            if inputs.any() and weights.any():
                weights = weights.astype(counting.dtype)
                algorithm.run(counting, inputs, weights, counts, check=check, memory_cap=memory_cap)
                total |= counts > 0
        return total

    for target, pairs in parts:
        nan = reached(pair for x_part, w_part in pairs for pair in _to_nan(x_part, w_part))
        positive = reached(pair for a, b in pairs for pair in _to_infinity(a, b))
        negative = reached(pair for a, b in pairs for pair in _to_infinity(a, -b))
        target[positive] = math.inf
        target[negative] = -math.inf
        target[nan | (positive & negative)] = math.nan


def _to_nan(x: Array, w: Array) -> Iterator[tuple[Array, Array]]:
    # Which inputs with which weights give NaN, as pairs of indicators.
    xp = array_module(x)
    yield xp.isnan(x), xp.ones_like(w, bool)
    yield xp.ones_like(x, bool), xp.isnan(w)
    yield xp.isinf(x), w == 0
    yield x == 0, xp.isinf(w)


def _to_infinity(x: Array, w: Array) -> Iterator[tuple[Array, Array]]:
    # Which inputs with which weights give +infinity, as pairs of indicators.
    inf = math.inf
    yield x == inf, w > 0
    yield x == -inf, w < 0
    yield x > 0, w == inf
    yield x < 0, w == -inf
