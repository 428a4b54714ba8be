"""A convolution as a product of frequencies, as diffusion, as chance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import conv
from core.arrays import Array, common_module, fft_module, to_numpy
from core.conv.blocks import Check, never
from core.media import to_range
from core.media.strip import strip
from core.spectrum import magnitude_picture, transform
from core.stochastic import Sampler

_DRAWS = (1, 16, 256)


def spectra(x: Array, kernel: Array) -> tuple[Array, Array, Array]:
    """Return the transforms of a picture, of a kernel, and of their convolution: the product.

    Parameters
    ----------
    x : ndarray, shape (H, W)
        Real, on a ring.
    kernel : ndarray, shape (KH, KW)
        Not larger, and on the same device; its centre is at ``k // 2``.

    Returns
    -------
    tuple of three ndarrays, shape (H, W)
        Complex, with frequency zero in the middle; on that device.

    Raises
    ------
    InvalidInput
        Picture and kernel lie on different devices.

    Examples
    --------
    >>> ours, theirs, product = spectra(np.ones((2, 2)), np.array([[0.5, 0.5]]))
    >>> product.real.tolist()
    [[0.0, 0.0], [0.0, 4.0]]
    """
    xp, fft = common_module(x=x, kernel=kernel), fft_module(x)
    spectrum = transform(x, "none")
    grid = xp.zeros(x.shape)
    grid[: kernel.shape[0], : kernel.shape[1]] = kernel
    centred = xp.roll(grid, tuple(-(k // 2) for k in kernel.shape), (0, 1))
    transfer = fft.fftshift(fft.fft2(centred))
    return spectrum, transfer, spectrum * transfer


def frequency_view(x: Array, kernel: Array) -> NDArray[np.uint8]:
    """Draw the theorem: the magnitudes of the two transforms, and of their product.

    Parameters are those of `spectra`, and their device computes it; it is drawn on the host.
    """
    ours, theirs, product = map(to_numpy, spectra(x, kernel))
    gain = np.abs(theirs)
    return strip(
        [
            ("the picture's frequencies", magnitude_picture(ours)),
            ("times the kernel's: white goes through", _levels(gain / gain.max())),
            ("gives those of the result", magnitude_picture(product)),
        ],
        columns=3,
    )


def spread_view(
    x: Array, kernel: Array, frames: int, *, check: Check = never
) -> list[NDArray[np.uint8]]:
    """Return a picture under the kernel as a propagator, again and again.

    Parameters
    ----------
    x : ndarray, shape (H, W)
        From 0 to 255.
    kernel : ndarray, shape (KH, KW)
        Its magnitudes, divided by their sum, are the chances that what is in a place goes there.
        On the device of the picture, which computes the steps; frames are on the host.
    frames : int
        Steps; one frame more is returned, for what there was at first.
    check : callable
        Called in each step; raises to stop.
    """
    chances = _chances(kernel)
    shown = [_levels(to_numpy(x) / 255)]
    for _ in range(frames):
        x = conv.convolve(x, chances, "same", "reflect", check=check)
        shown.append(_levels(to_numpy(x) / 255))
    return shown


def probability_view(x: Array, kernel: Array, *, check: Check = never) -> NDArray[np.uint8]:
    """Draw a kernel as chances, and what ever more draws by them make of a picture.

    Parameters
    ----------
    x : ndarray, shape (H, W)
        From 0 to 255.
    kernel : ndarray, shape (KH, KW)
        Drawn by its magnitudes on the device of both, with the numbers of that device; see
        `core.stochastic.Sampler`. The picture is drawn on the host.
    check : callable
        Called often; raises to stop.
    """
    chances = _chances(to_numpy(kernel))
    sampler = Sampler(x[..., None], kernel, "reflect", seed=0, check=check)
    policy: Any = "clip" if kernel.min() >= 0 else "signed"
    shown = [("chances", _levels(chances / chances.max()))]
    for seen in sampler.run(_DRAWS[-1], _DRAWS):
        caption = "1 draw" if seen.draws == 1 else f"{seen.draws} draws"
        shown.append((caption, to_range(to_numpy(seen.mean)[..., 0], np.uint8, policy)))
    expected = to_numpy(sampler.expected)[..., 0]
    shown.append(("the convolution", to_range(expected, np.uint8, policy)))
    return strip(shown, columns=len(shown))


def _chances(kernel: Array) -> Array:
    return abs(kernel) / abs(kernel).sum()


def _levels(share: NDArray[Any]) -> NDArray[np.uint8]:
    return to_range(255 * share, np.uint8, "clip")
