"""The normal form: the one primitive that every algorithm implements."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from core.arrays import Array, array_module

Shape = tuple[int, ...]


@dataclass(frozen=True)
class NormalForm:
    """A window of a full linear convolution, the only problem that algorithms see.

    ``x`` has shape ``(batch, in_channels, *spatial)`` and is zero outside; ``w`` has shape
    ``(out_channels, in_channels / groups, *kernel)`` and is oriented for true convolution. Output
    ``i`` along an axis is element ``start + i * stride`` of the full convolution of ``x`` with
    the dilated ``w``; ``start`` may be negative. Channels are summed within their group.

    Parameters
    ----------
    batch, in_channels, out_channels, groups : int
        The sizes of the axes that are not convolved.
    spatial, kernel : tuple of int
        Lengths of the convolved axes of ``x`` (already extended, see `core.conv.boundary`) and of
        ``w`` (taps, not counting the holes of a dilation).
    start, out, stride, dilation : tuple of int
        The window, per convolved axis.
    dtype : str
        The accumulator: float32, float64, complex64, complex128, int64 or object (Python's
        unbounded integers). ``x`` may have any dtype that casts to it.
    bits : int, optional
        Set for integer problems, whose outputs must be exact: each output, and each sum of the
        magnitudes of its products, is below ``2**bits``.
    rank : int, optional
        How many separable terms the kernel has; ``None`` when its values are not known.
    uniform : bool
        Whether all values of a kernel are known to be equal: a box.
    precision : str
        What may be multiplied in place of float32 numbers, see `core.conv.precision`. Also float16,
        where ``x`` and ``w`` are of this dtype before ``w`` is cast, so that nothing is lost.

    Examples
    --------
    >>> form = NormalForm(1, 1, 1, 1, (5,), (3,), (0,), (7,), (1,), (1,), "float64")
    >>> form.out_shape, form.multiply_adds
    ((1, 1, 7), 21)
    """

    batch: int
    in_channels: int
    out_channels: int
    groups: int
    spatial: Shape
    kernel: Shape
    start: Shape
    out: Shape
    stride: Shape
    dilation: Shape
    dtype: str
    bits: int | None = None
    rank: int | None = None
    uniform: bool = False
    precision: str = "float32"

    def __hash__(self) -> int:
        """Hash all fields, once: what is prepared for a form is looked up at every call."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(vars(self)[field.name] for field in fields(self)))

    @cached_property
    def ndim(self) -> int:
        """Number of convolved axes."""
        return len(self.spatial)

    @cached_property
    def taps(self) -> int:
        """Number of values of one kernel."""
        return math.prod(self.kernel)

    @cached_property
    def group_channels(self) -> int:
        """Input channels that one output channel sums."""
        return self.in_channels // self.groups

    @cached_property
    def reach(self) -> Shape:
        """How many inputs before the newest one an output needs, per axis."""
        return tuple((k - 1) * d for k, d in zip(self.kernel, self.dilation, strict=True))

    @cached_property
    def span(self) -> Shape:
        """How many inputs the whole window needs, zeros outside included, per axis."""
        return self.span_of(self.out)

    @cached_property
    def out_shape(self) -> Shape:
        """Shape of the result: ``(batch, out_channels, *out)``."""
        return (self.batch, self.out_channels, *self.out)

    @cached_property
    def outputs(self) -> int:
        """Number of output values."""
        return math.prod(self.out_shape)

    @cached_property
    def multiply_adds(self) -> int:
        """Multiply-adds of the definition, at every output with every tap."""
        return self.outputs * self.group_channels * self.taps

    @cached_property
    def itemsize(self) -> int:
        """Bytes of one accumulator."""
        return np.dtype(self.dtype).itemsize

    @cached_property
    def is_complex(self) -> bool:
        """Whether the accumulator is complex."""
        return np.dtype(self.dtype).kind == "c"

    @cached_property
    def unit_roundoff(self) -> float:
        """Half the spacing of the accumulator's numbers at 1; 0 for exact arithmetic."""
        kind = np.dtype(self.dtype).kind
        return float(np.finfo(self.dtype).eps) / 2 if kind in "fc" and self.bits is None else 0.0

    def span_of(self, outputs: Shape) -> Shape:
        """Return how many inputs a block of ``outputs`` needs, per axis."""
        return tuple(
            (m - 1) * s + 1 + r for m, s, r in zip(outputs, self.stride, self.reach, strict=True)
        )

    def first_input(self, output: Shape) -> Shape:
        """Return the index of the first input that ``output`` needs; it may be negative."""
        return tuple(
            p + s * i - r
            for p, s, i, r in zip(self.start, self.stride, output, self.reach, strict=True)
        )


def read(x: Array, first: Shape, length: Shape, dtype: str) -> Array:
    """Return ``x[..., first : first + length]`` as ``dtype``, with zeros where ``x`` ends.

    A view of ``x`` where nothing has to be filled or converted.

    Examples
    --------
    >>> read(np.arange(1, 5), (-1,), (3,), "float64")
    array([0., 1., 2.])
    """
    inside = tuple(
        slice(min(max(f, 0), n), min(max(f + m, 0), n))
        for f, m, n in zip(first, length, x.shape[x.ndim - len(first) :], strict=True)
    )
    part = x[(..., *inside)]
    lead = x.shape[: x.ndim - len(first)]
    if part.shape == (*lead, *length):
        return part.astype(dtype, copy=False)
    block = array_module(x).zeros((*lead, *length), dtype)
    target = tuple(
        slice(i.start - f, i.stop - f) if i.stop > i.start else slice(0, 0)
        for i, f in zip(inside, first, strict=True)
    )
    block[(..., *target)] = part
    return block
