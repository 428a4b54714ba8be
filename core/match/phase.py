"""By how much one picture is shifted against another, to a part of a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, array_module, fft_module, is_on_gpu, to_numpy
from core.conv.blocks import cores
from core.errors import InvalidInput
from core.nets.blas import one_thread

_FINENESS = 100
_REACH = 1.5


@dataclass(frozen=True)
class Registration:
    """A shift between two pictures.

    Attributes
    ----------
    shift : tuple of float
        How far what is in the first lies behind what is in the second, along each axis.
    score : float
        The height of the peak: 1 if one is exactly a shift of the other around a ring.
    """

    shift: tuple[float, ...]
    score: float


def register(x: Array, reference: Array) -> Registration:
    """Return by how much ``x`` is shifted against ``reference``.

    Phase correlation [1]_: a shift changes only the phases of a Fourier transform, in proportion to
    the frequency. The peak is found on the grid, then among hundredths of pixels around by a
    transform of these points alone [2]_.

    Parameters
    ----------
    x, reference : ndarray of one shape
        Real. Both are faded out towards their edges, where one shows what the other does not.

    Returns
    -------
    Registration
        In steps of a hundredth of a pixel; to some hundredths where both show the same.

    Raises
    ------
    InvalidInput
        The shapes differ, or one of them is constant.

    References
    ----------
    .. [1] C. Kuglin and D. Hines, "The phase correlation image alignment method", IEEE Conference
       on Cybernetics and Society, 1975.
    .. [2] M. Guizar-Sicairos et al., "Efficient subpixel image registration algorithms", Optics
       Letters 33, 2008.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(32, 32))
    >>> np.round(register(np.roll(x, (3, -2), (0, 1)), x).shift, 1).tolist()
    [3.0, -2.0]
    """
    if x.shape != reference.shape:
        raise InvalidInput(
            "phase correlation compares inputs of one shape",
            field="template",
            given=f"{reference.shape}",
            accepted=f"{x.shape}",
        )
    xp, fft = array_module(x), fft_module(x)
    product = _spectrum(x) * xp.conj(_spectrum(reference))
    size = abs(product)
    largest = float(size.max())
    if largest == 0:
        raise InvalidInput("one of the inputs is constant, so no shift changes it", field="inputs")
    # What is only rounding has no phase.
    known = size > 1e-12 * largest
    product = xp.where(known, product / xp.where(known, size, 1), 0)
    peak = abs(fft.irfftn(product, s=x.shape, **_workers(x)))
    coarse = np.array(np.unravel_index(int(peak.argmax()), x.shape), float)
    coarse = (coarse + np.array(x.shape) // 2) % x.shape - np.array(x.shape) // 2
    # Stored once are the waves that stand for two.
    twice = np.full(product.shape[-1], 2)
    twice[0] = 1
    if x.shape[-1] % 2 == 0:
        twice[-1] = 1
    twice = xp.asarray(twice)
    product *= twice
    with one_thread():
        near, _ = _highest(product, x.shape, coarse, 0.1, _REACH)
        place, height = _highest(product, x.shape, near, 1 / _FINENESS, 0.15)
    return Registration(
        tuple(round(float(value), 6) + 0.0 for value in place), height / int((known * twice).sum())
    )


def _highest(
    product: Array,
    shape: tuple[int, ...],
    around: NDArray[Any],
    step: float,
    reach: float,
) -> tuple[NDArray[Any], float]:
    """Return where the inverse transform is largest, among points around a place."""
    xp = array_module(product)
    steps = np.arange(-round(reach / step), round(reach / step) + 1) * step
    found = product
    # The last axis is half as long, so it goes first.
    for axis in reversed(range(len(shape))):
        n = shape[axis]
        f = np.fft.rfftfreq(n) if axis == len(shape) - 1 else np.fft.fftfreq(n)
        waves = xp.asarray(np.exp(2j * np.pi * np.outer(around[axis] + steps, f)))
        found = xp.moveaxis(xp.tensordot(waves, found, axes=(1, axis)), 0, axis)
    height = to_numpy(abs(found.real))
    top = np.unravel_index(int(height.argmax()), height.shape)
    return around + steps[list(top)], float(height[top])


def _spectrum(x: Array) -> Array:
    xp = array_module(x)
    faded = x - x.mean()
    for axis, n in enumerate(x.shape):
        window = xp.asarray(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2)
        faded = faded * window.reshape([-1 if other == axis else 1 for other in range(x.ndim)])
    return fft_module(x).rfftn(faded, **_workers(x))


def _workers(x: Array) -> dict[str, int]:
    return {} if is_on_gpu(x) else {"workers": cores()}
