"""Convolution by drawing positions with the probabilities of the kernel."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core import conv
from core.conv.blocks import Check, never
from core.errors import InvalidInput

Method: TypeAlias = Literal["positions", "counts"]

# What one uniform number and a value from memory cost, against one binomial number.
_DEARER: Final = 2
# Numbers at a time, so that they stay in the cache and a job can be stopped.
_BLOCK: Final = 1 << 16

_PAD: Final[dict[str, Any]] = {
    "zero": "constant",
    "constant": "constant",
    "reflect": "symmetric",
    "mirror": "reflect",
    "nearest": "edge",
    "wrap": "wrap",
}


@dataclass(frozen=True, eq=False)
class Sampled:
    """What was seen after some draws.

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
    mean: NDArray[Any]
    variance: NDArray[Any]


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
        Real, with an axis less. With as many axes it has a value for each channel, too: what all
        channels give is added up, as for words, whose features are channels, and each output has
        one channel.
    boundary, cval
        As in `core.conv.convolve`, mode same.
    seed : int
        The same seed gives the same draws.
    memory_cap, check
        As there.

    Raises
    ------
    InvalidInput
        The kernel is zero everywhere, so that there is nothing to draw by.

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
        x: NDArray[Any],
        kernel: NDArray[Any],
        boundary: str = "zero",
        cval: float = 0.0,
        *,
        seed: int = 0,
        memory_cap: int | None = None,
        check: Check = never,
    ) -> None:
        size = float(np.abs(kernel).sum())
        if not 0 < size < math.inf:
            raise InvalidInput(
                "a kernel without finite values other than zero gives no probabilities",
                field="kernel",
                given=f"sum of magnitudes {size:g}",
                accepted="at least one value that is not zero",
            )
        x = x.astype(np.float64)
        self._random = np.random.default_rng(seed)
        self._check = check
        axes = tuple(range(x.ndim - 1))
        across = kernel.ndim == x.ndim
        taps = np.argwhere(kernel)
        weights = kernel[tuple(taps.T)].astype(np.float64)
        self._probabilities = np.abs(weights) / np.abs(weights).sum()
        self._reach = np.cumsum(self._probabilities)
        self._reach[-1] = 1.0  # above every uniform number
        self._gain = size * np.sign(weights)
        sides = kernel.shape[: len(axes)]
        centre = [(k - 1) // 2 if boundary == "zero" else k // 2 for k in sides]
        pads = [(k - 1 - c, c) for k, c in zip(sides, centre, strict=True)]
        outside = {"constant_values": cval if boundary == "constant" else 0.0}
        extended = np.pad(
            x,
            [*pads, (0, 0)],
            mode=_PAD[boundary],
            **(outside if _PAD[boundary] == "constant" else {}),
        )
        # Where output p looks for tap j in the extended input: its own place, and as far on.
        strides = np.array([math.prod(extended.shape[a + 1 : -1]) for a in axes])
        self._ahead = (np.array(sides) - 1 - taps[:, : len(axes)]) @ strides
        self._places = sum(
            np.arange(n).reshape([-1 if a == axis else 1 for a in axes]) * strides[axis]
            for axis, n in enumerate(x.shape[:-1])
        ).ravel()
        self._values = extended.reshape(-1, x.shape[-1])
        self._shape = x.shape
        if across:
            # Each feature is a place of its own.
            self._ahead = self._ahead * x.shape[-1] + taps[:, -1]
            self._places = self._places * x.shape[-1]
            self._values = extended.reshape(-1, 1)
            self._shape = (*x.shape[:-1], 1)

        def convolved(values: NDArray[Any], by: NDArray[Any], beyond: float) -> NDArray[Any]:
            planes = [
                conv.convolve(
                    np.ascontiguousarray(values[..., channel]),
                    np.ascontiguousarray(by[..., channel]) if across else by,
                    "same",
                    boundary,
                    cval=beyond,
                    memory_cap=memory_cap,
                    check=check,
                )
                for channel in range(x.shape[-1])
            ]
            found = np.stack(planes, axis=-1)
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
        done = 0
        for end in ends:
            count = end - done
            taps = len(self._probabilities)
            by_counts = count > _DEARER * taps if method is None else method == "counts"
            step = max(1, _BLOCK // (taps if by_counts else 1))
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
        centre: NDArray[Any],
        total: NDArray[Any],
        squares: NDArray[Any],
    ) -> None:
        places = self._places[rows]
        for _ in range(count):
            self._check()
            tap = np.searchsorted(self._reach, self._random.random(len(places)), side="right")
            seen = self._values[places + self._ahead[tap]] * self._gain[tap][:, None] - centre
            total += seen
            squares += seen**2

    def _by_counts(
        self,
        count: int,
        rows: slice,
        centre: NDArray[Any],
        total: NDArray[Any],
        squares: NDArray[Any],
    ) -> None:
        places = self._places[rows]
        often = self._random.multinomial(count, self._probabilities, size=len(places))
        seen = self._values[places[:, None] + self._ahead] * self._gain[:, None]
        seen -= centre[:, None]
        total += np.einsum("pt,ptc->pc", often, seen)
        squares += np.einsum("pt,ptc->pc", often, seen**2)


def batches(draws: int) -> tuple[int, ...]:
    """Return the powers of two below a number of draws, and that number.

    Examples
    --------
    >>> batches(10)
    (1, 2, 4, 8, 10)
    """
    return (*(1 << i for i in range((draws - 1).bit_length())), draws)
