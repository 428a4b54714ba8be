"""Convolution by drawing positions with the probabilities of the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from core import conv
from core.arrays import Array, array_module, common_module, is_on_gpu, to_numpy
from core.conv.blocks import Check, never
from core.conv.boundary import Boundary, extend
from core.errors import InvalidInput

Method: TypeAlias = Literal["positions", "counts"]

# What one uniform number and a value from memory cost, against one binomial number.
_DEARER: Final = 2
# Numbers at a time, so that they stay in the cache and a job can be stopped; on a GPU so many that
# all of it has work, and its memory room for them.
_BLOCK: Final = 1 << 16
BLOCK_ON_GPU: Final = 1 << 22


@dataclass(frozen=True, eq=False)
class Sampled:
    """What was seen after some draws, in arrays of the device that the input is on.

    Attributes
    ----------
    draws : int
        Positions that were drawn for each output.
    mean : ndarray
        Of the values at these positions: an unbiased estimate of the convolution.
    variance : ndarray
        Sample variance of one draw; that of the mean is this divided by ``draws``. NaN for one.
    """

    draws: int
    mean: Array
    variance: Array


class Sampler:
    """Draws, for each output, positions below the kernel with the probabilities of its taps.

    With ``S = sum |k|`` each draw takes the tap ``j`` with the probability ``|k[j]| / S``, looks at
    the input there, and scores ``S sign(k[j]) x[p - j]``. Its mean is the convolution at ``p``, and
    its variance ``S (|k| * x²) - (k * x)²``. Outputs draw independently; colours of one place share
    their draws, as those of one photon do.

    Parameters
    ----------
    x : ndarray, shape (*S, C)
        Real, with an axis of channels at the end.
    kernel : ndarray
        Real, with an axis less, and on the same device. With as many axes it has a value for each
        channel, too: what all channels give is added up, as for words, whose features are
        channels, and each output has one channel.
    boundary, cval
        As in `core.conv.convolve`, mode same.
    seed : int
        The same seed gives the same draws, on a processor: those of NumPy. On a GPU they are those
        of CuPy's generator: others, of the same distribution.
    memory_cap, check
        As there.

    Raises
    ------
    InvalidInput
        The kernel is zero everywhere, so that there is nothing to draw by; or it lies on another
        device.

    Examples
    --------
    >>> sampler = Sampler(np.array([[1.0], [5.0], [3.0]]), np.array([0.5, 0.5]), seed=1)
    >>> [seen] = sampler.run(10_000, ends=(10_000,))
    >>> sampler.expected.ravel().tolist()
    [0.5, 3.0, 4.0]
    >>> bool(abs(seen.mean - sampler.expected).max() < 0.1)
    True
    """

    def __init__(
        self,
        x: Array,
        kernel: Array,
        boundary: Boundary = "zero",
        cval: float = 0.0,
        *,
        seed: int = 0,
        memory_cap: int | None = None,
        check: Check = never,
    ) -> None:
        xp = common_module(x=x, kernel=kernel)
        held = to_numpy(kernel)
        size = float(np.abs(held).sum())
        if not 0 < size < math.inf:
            raise InvalidInput(
                "a kernel without finite values other than zero gives no probabilities",
                field="kernel",
                given=f"sum of magnitudes {size:g}",
                accepted="at least one value that is not zero",
            )
        x = x.astype(np.float64)
        self._random = xp.random.default_rng(seed)
        self._check = check
        axes = tuple(range(x.ndim - 1))
        across = kernel.ndim == x.ndim
        taps = np.argwhere(held)
        weights = held[tuple(taps.T)].astype(np.float64)
        self._probabilities = np.abs(weights) / np.abs(weights).sum()
        reach = np.cumsum(self._probabilities)
        reach[-1] = 1.0  # above every uniform number
        self._reach = xp.asarray(reach)
        self._gain = xp.asarray(size * np.sign(weights))
        sides = kernel.shape[: len(axes)]
        centre = [(k - 1) // 2 if boundary == "zero" else k // 2 for k in sides]
        pads = [(k - 1 - c, c) for k, c in zip(sides, centre, strict=True)]
        outside: Boundary = "constant" if boundary == "zero" else boundary
        value = 0.0 if boundary == "zero" else cval
        extended = xp.asarray(extend(x, (*pads, (0, 0)), outside, value))
        # Where output p looks for tap j in the extended input: its own place, and as far on.
        strides = [math.prod(extended.shape[a + 1 : -1]) for a in axes]
        ahead = (np.array(sides) - 1 - taps[:, : len(axes)]) @ np.array(strides)
        self._places = sum(
            xp.arange(n).reshape([-1 if a == axis else 1 for a in axes]) * strides[axis]
            for axis, n in enumerate(x.shape[:-1])
        ).ravel()
        self._values = extended.reshape(-1, x.shape[-1])
        self._shape = x.shape
        if across:
            # Each feature is a place of its own.
            ahead = ahead * x.shape[-1] + taps[:, -1]
            self._places = self._places * x.shape[-1]
            self._values = extended.reshape(-1, 1)
            self._shape = (*x.shape[:-1], 1)
        self._ahead = xp.asarray(ahead)

        def convolved(values: Array, by: Array, beyond: float) -> Array:
            planes = [
                conv.convolve(
                    xp.ascontiguousarray(values[..., channel]),
                    xp.ascontiguousarray(by[..., channel]) if across else by,
                    "same",
                    boundary,
                    cval=beyond,
                    memory_cap=memory_cap,
                    check=check,
                )
                for channel in range(x.shape[-1])
            ]
            found = xp.stack(planes, axis=-1)
            return found.sum(axis=-1, keepdims=True) if across else found

        self.expected = convolved(x, kernel.astype(np.float64), cval)
        squares = convolved(x**2, np.abs(kernel).astype(np.float64), cval**2)
        self.variance = np.maximum(size * squares - self.expected**2, 0)

    def run(
        self, draws: int, ends: tuple[int, ...], method: Method | None = None
    ) -> Iterator[Sampled]:
        """Draw, and yield what was seen after each number of draws in ``ends``.

        Parameters
        ----------
        draws : int
            How many there will be in all.
        ends : tuple of int
            Ascending; the last is ``draws``.
        method : {"positions", "counts"}, optional
            Draw positions one by one, or how often each tap comes, which is a multinomial number:
            by default whichever is faster. Both have the same distribution.
        """
        centre = self.expected.reshape(-1, self._shape[-1])
        # Of the distances from what is expected, so that little is lost when squares are taken.
        total, squares = np.zeros_like(centre), np.zeros_like(centre)
        block = BLOCK_ON_GPU if is_on_gpu(centre) else _BLOCK
        done = 0
        for end in ends:
            count = end - done
            taps = len(self._probabilities)
            by_counts = count > _DEARER * taps if method is None else method == "counts"
            step = max(1, block // (taps if by_counts else 1))
            for start in range(0, len(centre), step):
                self._check()
                rows = slice(start, min(start + step, len(centre)))
                draw = self._by_counts if by_counts else self._by_positions
                draw(count, rows, centre[rows], total[rows], squares[rows])
            done = end
            mean = total / done
            spread = (squares - done * mean**2) / (done - 1) if done > 1 else np.nan * mean
            yield Sampled(
                done,
                (centre + mean).reshape(self._shape),
                np.maximum(spread, 0).reshape(self._shape),
            )

    def _by_positions(
        self,
        count: int,
        rows: slice,
        centre: Array,
        total: Array,
        squares: Array,
    ) -> None:
        places = self._places[rows]
        for _ in range(count):
            self._check()
            tap = self._reach.searchsorted(self._random.random(len(places)), side="right")
            seen = self._values[places + self._ahead[tap]] * self._gain[tap][:, None] - centre
            total += seen
            squares += seen**2

    def _by_counts(
        self,
        count: int,
        rows: slice,
        centre: Array,
        total: Array,
        squares: Array,
    ) -> None:
        places = self._places[rows]
        often = self._often(count, len(places))
        seen = self._values[places[:, None] + self._ahead] * self._gain[:, None]
        seen -= centre[:, None]
        total += np.einsum("pt,ptc->pc", often, seen)
        squares += np.einsum("pt,ptc->pc", often, seen**2)

    def _often(self, count: int, outputs: int) -> Array:
        """Return how often each tap comes in so many draws, for each of so many outputs."""
        if not is_on_gpu(self._reach):
            return self._random.multinomial(count, self._probabilities, size=outputs)
        # CuPy's generator has no multinomial numbers. Each is made of binomial ones: how many of
        # the draws that the taps before it have left.
        xp = array_module(self._reach)
        rest = np.cumsum(self._probabilities[::-1])[::-1]
        often = xp.empty((outputs, len(rest)), np.int64)
        left = xp.full(outputs, count, np.int64)
        for tap, share in enumerate((self._probabilities / rest)[:-1].tolist()):
            often[:, tap] = self._random.binomial(left, share)
            left -= often[:, tap]
        often[:, -1] = left
        return often


def batches(draws: int) -> tuple[int, ...]:
    """Return the powers of two below a number of draws, and that number.

    Examples
    --------
    >>> batches(10)
    (1, 2, 4, 8, 10)
    """
    return (*(1 << i for i in range((draws - 1).bit_length())), draws)
