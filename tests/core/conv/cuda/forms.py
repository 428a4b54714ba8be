"""Problems for kernels, and what they should come to."""

from __future__ import annotations

import numpy as np
import scipy.signal

from core.conv.algorithms import by_name
from core.conv.normal import NormalForm, read
from core.conv.overlap_save import Tiling


def form_of(kernel, dtype, *, batch=1, filters=1, groups=1, sizes=None, start=None, out=None):
    """Return a problem without a sum over channels; without ``out``, the full convolution."""
    sizes = sizes or (20,) * len(kernel)
    full = tuple(n + k - 1 for n, k in zip(sizes, kernel, strict=True))
    ones = (1,) * len(kernel)
    bits = 40 if dtype == "int64" else None
    start = start or (0,) * len(kernel)
    return NormalForm(
        batch, groups, filters, groups, sizes, kernel, start, out or full, ones, ones, dtype,
        bits, rank=2,
    )  # fmt: skip


def kernels_of(form, random):
    """Small whole numbers; where there are two axes, the sum of two outer products."""
    first, *rest = (random.integers(-9, 9, (form.out_channels, 2, k)) for k in form.kernel)
    summed = np.einsum("oti,otj->oij", first, rest[0]) if rest else first.sum(1)
    return summed[:, None].astype(form.dtype)


def convolved(form, x, w):
    """Return what SciPy computes from the definition, in double precision."""
    per_group = form.out_channels // form.groups
    found = np.empty(form.out_shape)
    for n, o in np.ndindex(form.out_shape[:2]):
        whole = scipy.signal.convolve(
            x[n, o // per_group].astype(float), w[o, 0].astype(float), method="direct"
        )
        found[n, o] = read(whole, form.start, form.out, "float64")
    return found


def tiling_of(form, tile):
    """Return tiles of that shape."""
    return Tiling(tile, tuple(t - r for t, r in zip(tile, form.reach, strict=True)), 1)


def assert_close(form, y, expected, x, w):
    """Compare with what the tiled FFT promises."""
    bound = by_name("fft-tiled").error_bound(form) * np.abs(w).sum() * np.abs(x.astype(float)).max()
    np.testing.assert_allclose(y, expected, rtol=0, atol=bound)
