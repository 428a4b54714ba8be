"""Which inputs each output of a convolution or of its gradient needs: axis by axis.

A phase is a set of outputs that use the same taps. A convolution has one; the gradient with
respect to the input of a strided one has one for each residue of the position.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from core.conv.normal import Shape

Box: TypeAlias = tuple[tuple[int, int], ...]
"""Per axis, the first index and the one after the last."""


@dataclass(frozen=True)
class Axis:
    """One axis of a phase: output ``targets[m]`` finds tap k at ``m * step + offsets[k]``.

    Parameters
    ----------
    targets : range
        The outputs, in their array.
    step : int
        How far the inputs of neighbouring outputs are apart.
    offsets, taps : tuple of int
        Where each tap finds its input, and which tap of the kernel it is.
    """

    targets: range
    step: int
    offsets: tuple[int, ...]
    taps: tuple[int, ...]

    def segments(self, first: int, last: int, sources: int) -> Iterator[Segment]:
        """Cut outputs ``first <= m < last`` where the taps that find one of ``sources`` change.

        Examples
        --------
        >>> (axis,) = forward((3,), (2,), (1,), (1,), (1,)).phases[0]
        >>> [(s.first, s.last, s.taps) for s in axis.segments(0, 4, 3)]
        [(0, 1, (1,)), (1, 3, (0, 1)), (3, 4, (0,))]
        """

        def inside(m: int) -> tuple[int, ...]:
            found = (m * self.step + offset for offset in self.offsets)
            return tuple(k for k, at in enumerate(found) if 0 <= at < sources)

        for taps, group in itertools.groupby(range(first, last), inside):
            own = list(group)
            yield Segment(own[0], own[-1] + 1, taps)


@dataclass(frozen=True)
class Segment:
    """Outputs ``first <= m < last`` of an axis, and the numbers of the taps that they need."""

    first: int
    last: int
    taps: tuple[int, ...]


Phase: TypeAlias = tuple[Axis, ...]


@dataclass(frozen=True)
class Lattice:
    """A convolution's geometry.

    Parameters
    ----------
    sources, targets, kernel : tuple of int
        Spatial shapes: of what is read, of what is written, and of the kernel.
    phases : tuple of tuple of Axis
        Together they write every output once.
    """

    sources: Shape
    targets: Shape
    kernel: Shape
    phases: tuple[Phase, ...]

    @property
    def taps(self) -> int:
        """Number of values of a kernel."""
        return math.prod(self.kernel)

    @property
    def counts(self) -> Shape:
        """Most outputs of a phase, per axis."""
        return tuple(
            max(len(phase[axis].targets) for phase in self.phases)
            for axis in range(len(self.sources))
        )

    @property
    def pads(self) -> bool:
        """Whether zeros outside of the inputs are read."""
        window = self.window(tuple((0, n) for n in self.counts))
        return any(
            first < 0 or last > n for (first, last), n in zip(window, self.sources, strict=True)
        )

    @property
    def products(self) -> int:
        """Number of pairs of an output and a tap that finds an input.

        Examples
        --------
        >>> forward((9,), (3,), (1,), (1,), (1,)).products
        25
        """
        return sum(
            math.prod(
                sum(
                    len(segment.taps) * (segment.last - segment.first)
                    for segment in axis.segments(0, len(axis.targets), n)
                )
                for axis, n in zip(phase, self.sources, strict=True)
            )
            for phase in self.phases
        )

    def window(self, block: Box) -> Box:
        """Return the inputs that a block of outputs needs, over all phases.

        Examples
        --------
        >>> forward((9,), (3,), (1,), (1,), (1,)).window(((0, 9),))
        ((-1, 10),)
        """
        return tuple(self._reach(axis, *bounds) for axis, bounds in enumerate(block))

    def _reach(self, axis: int, first: int, last: int) -> tuple[int, int]:
        low, high = [], []
        for phase in self.phases:
            along, stop = phase[axis], min(last, len(phase[axis].targets))
            if along.offsets and stop > first:
                low.append(first * along.step + min(along.offsets))
                high.append((stop - 1) * along.step + max(along.offsets) + 1)
        return (min(low), max(high)) if low else (0, 0)

    def blocks(self, size: Shape) -> Iterator[Box]:
        """Cut the outputs of all phases alike into blocks of ``size``, the last ones smaller."""
        axes = [
            [(first, min(first + step, n)) for first in range(0, n, step)]
            for n, step in zip(self.counts, size, strict=True)
        ]
        yield from itertools.product(*axes)


def forward(
    sources: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape
) -> Lattice:
    """Return the geometry of a convolution.

    Examples
    --------
    >>> forward((9,), (3,), (2,), (0,), (1,)).targets
    (4,)
    """
    axes = []
    for n, k, s, p, d in zip(sources, kernel, stride, padding, dilation, strict=True):
        count = (n + 2 * p - (k - 1) * d - 1) // s + 1
        axes.append(Axis(range(count), s, tuple(d * t - p for t in range(k)), tuple(range(k))))
    return Lattice(sources, tuple(len(axis.targets) for axis in axes), kernel, (tuple(axes),))


def input_gradient(
    targets: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape
) -> Lattice:
    """Return the geometry of the gradient with respect to an input of shape ``targets``.

    Input ``r + s * q`` takes tap ``t`` of output ``q + (r + p - d * t) / s`` where that is whole
    (`core.conv.gradients`).

    Examples
    --------
    >>> [len(axis.taps) for axis, in input_gradient((9,), (3,), (2,), (0,), (1,)).phases]
    [2, 1]
    """
    sources = forward(targets, kernel, stride, padding, dilation).targets
    axes = []
    for n, k, s, p, d in zip(targets, kernel, stride, padding, dilation, strict=True):
        residues = []
        for r in range(min(s, n)):
            taps = tuple(t for t in range(k) if (r + p - d * t) % s == 0)
            offsets = tuple((r + p - d * t) // s for t in taps)
            residues.append(Axis(range(r, n, s), 1, offsets, taps))
        axes.append(residues)
    return Lattice(sources, targets, kernel, tuple(itertools.product(*axes)))
