"""The centred Fourier transform of a picture, without what its edges add."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.arrays import Array, array_module, fft_module, is_on_gpu
from core.conv.blocks import cores
from core.errors import InvalidInput

Window: TypeAlias = Literal["periodic", "hann", "none"]
WINDOWS: tuple[Window, ...] = ("periodic", "hann", "none")


def transform(x: Array, window: Window = "periodic") -> Array:
    """Return the discrete Fourier transform of a picture, with frequency zero in the middle.

    Parameters
    ----------
    x : ndarray, shape (H, W)
        Real, floating point.
    window : {"periodic", "hann", "none"}
        The transform takes the picture as one period of a pattern without end. Where opposite
        edges differ, that pattern has jumps, which show as a bright cross. ``periodic`` takes the
        smooth part away that makes the jumps [1]_; ``hann`` fades the picture out towards its
        edges, around its mean; ``none`` leaves it as it is, so that the inverse transform gives
        it back.

    Returns
    -------
    ndarray, shape (H, W)
        Complex. With ``none`` the sum of the squared magnitudes is ``H * W`` times that of the
        values (Parseval).

    Raises
    ------
    InvalidInput
        There is no such window.

    References
    ----------
    .. [1] L. Moisan, "Periodic plus smooth image decomposition", Journal of Mathematical Imaging
       and Vision 39, 2011.

    Examples
    --------
    >>> x = np.cos(2 * np.pi * np.arange(8) / 4) * np.ones((8, 1))
    >>> np.argwhere(abs(transform(x, "none")) > 1).tolist()
    [[4, 2], [4, 6]]
    """
    if window not in WINDOWS:
        raise InvalidInput("no such window", field="window", given=window, accepted=WINDOWS)
    fft = fft_module(x)
    if window == "hann":
        x = faded(x)
    options = {} if is_on_gpu(x) else {"workers": cores()}
    half = fft.rfft2(x, **options)
    if window == "periodic":
        half -= _smooth_part(x)
    return _centred(half, x.shape[1])


def faded(x: Array) -> Array:
    """Return a picture times a Hann window, after taking away its mean as the window sees it.

    Examples
    --------
    >>> bool(abs(faded(np.full((4, 4), 7.0))).max() < 1e-12)
    True
    """
    xp = array_module(x)
    rows, columns = (xp.asarray(_hann(n), x.dtype) for n in x.shape)
    window = rows[:, None] * columns
    return (x - (x * window).sum() / window.sum()) * window


def frequencies(shape: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the frequencies of the rows and columns of `transform`, in cycles per pixel.

    Returns
    -------
    fy : ndarray, shape (H, 1)
        From -1/2 to below 1/2, downwards as rows are.
    fx : ndarray, shape (1, W)
        To the right.

    Examples
    --------
    >>> fy, fx = frequencies((4, 2))
    >>> fy.ravel().tolist(), fx.ravel().tolist()
    ([-0.5, -0.25, 0.0, 0.25], [-0.5, 0.0])
    """
    fy, fx = (np.fft.fftshift(np.fft.fftfreq(n)) for n in shape)
    return fy[:, None], fx[None, :]


def _hann(n: int) -> NDArray[Any]:
    # Without the zeros at its ends, so that every pixel counts.
    return np.sin(np.pi * (np.arange(n) + 1) / (n + 1)) ** 2


def _smooth_part(x: Array) -> Array:
    """Return half the transform of the smooth picture with the jumps between opposite edges."""
    xp, fft = array_module(x), fft_module(x)
    height, width = x.shape
    rows, columns = xp.arange(height) / height, xp.arange(width // 2 + 1) / width
    # The jumps stand in the first row and column, and with the other sign in the last ones, so
    # that their transforms are those of lines.
    down, right = fft.rfft(x[-1] - x[0]), fft.fft(x[:, -1] - x[:, 0])
    sides = [(1 - xp.exp(2j * np.pi * f)).astype(down.dtype) for f in (rows, columns)]
    smooth = sides[0][:, None] * down + right[:, None] * sides[1]
    waves = [(2 * xp.cos(2 * np.pi * f)).astype(x.dtype) for f in (rows, columns)]
    laplacian = waves[0][:, None] + waves[1] - 4
    laplacian[0, 0] = 1
    smooth /= laplacian
    # The mean stays with the periodic part.
    smooth[0, 0] = 0
    return smooth


def _centred(half: Array, width: int) -> Array:
    """Return all coefficients of real values, with frequency zero in the middle."""
    xp, fft = array_module(half), fft_module(half)
    shifted = fft.fftshift(half, axes=0)
    # The others are the stored ones, turned about frequency zero and conjugated.
    turned = xp.flip(shifted, 0)
    if len(half) % 2 == 0:
        turned = xp.roll(turned, 1, 0)
    full = xp.empty((len(half), width), half.dtype)
    middle = width // 2
    xp.conj(turned[:, middle:0:-1], out=full[:, :middle])
    full[:, middle:] = shifted[:, : width - middle]
    return full
