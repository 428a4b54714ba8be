"""Windows that slide over the spatial axes: how they are described, and where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, TypeAlias

from pydantic import Field

from core.conv.arguments import per_axis
from core.errors import InvalidInput
from core.nets.layer import Shape

_MOST = 1 << 16

Size: TypeAlias = Annotated[int, Field(ge=1, le=_MOST)]
Sizes: TypeAlias = Size | Annotated[list[Size], Field(min_length=1, max_length=3)]
"""One positive number, or one for each spatial axis."""

Width: TypeAlias = Annotated[int, Field(ge=0, le=_MOST)]
Widths: TypeAlias = Width | Annotated[list[Width], Field(min_length=1, max_length=3)]
"""A number that may be 0, or one for each spatial axis."""


@dataclass(frozen=True)
class Window:
    """A window and its steps, each with one number for every spatial axis."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape

    def slide(self, spatial: Sequence[int]) -> Shape:
        """Return how many positions the window has along each axis.

        Raises
        ------
        InvalidInput
            It is longer than an axis with its padding.

        Examples
        --------
        >>> Window((5, 5), (2, 2), (2, 2), (1, 1)).slide((28, 7))
        (14, 4)
        """
        room = tuple(n + 2 * p for n, p in zip(spatial, self.padding, strict=True))
        needed = tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        if any(need > have for need, have in zip(needed, room, strict=True)):
            raise InvalidInput(
                "is larger than the image that comes in",
                field="kernel",
                given=f"kernel {self.kernel}, dilation {self.dilation}, padding {self.padding}; "
                f"spatial shape {tuple(spatial)}",
                accepted=f"at most {room}, dilation included",
            )
        return tuple(
            (have - need) // s + 1 for have, need, s in zip(room, needed, self.stride, strict=True)
        )


def spatial_axes(incoming: Shape) -> Shape:
    """Return the lengths of the spatial axes of ``(channels, *spatial)``.

    Raises
    ------
    InvalidInput
        There are none, or more than three.

    Examples
    --------
    >>> spatial_axes((3, 28, 28))
    (28, 28)
    """
    if not 2 <= len(incoming) <= 4:
        raise InvalidInput(
            "needs channels and one, two or three spatial axes",
            field="inputs",
            given=incoming,
            accepted="(channels, *spatial)",
        )
    return incoming[1:]


def pooling_window(
    incoming: Shape,
    kernel: int | list[int],
    stride: int | list[int] | None,
    padding: int | list[int],
) -> Window:
    """Return the window of a pooling layer; its stride is the kernel if none is given.

    Raises
    ------
    InvalidInput
        A field does not fit the axes, or a window could lie in the padding altogether.

    Examples
    --------
    >>> pooling_window((3, 28, 28), 2, None, 0).stride
    (2, 2)
    """
    steps = kernel if stride is None else stride
    axes = len(spatial_axes(incoming))
    return _pooling_window(axes, hashable(kernel), hashable(steps), hashable(padding))


# Layers ask for their windows in every step, for every group of images.
@lru_cache(maxsize=1024)
def _pooling_window(
    axes: int, kernel: int | Shape, stride: int | Shape, padding: int | Shape
) -> Window:
    size = per_axis("kernel", kernel, axes, 1)
    around = per_axis("padding", padding, axes, 0)
    if any(p >= k for p, k in zip(around, size, strict=True)):
        raise InvalidInput(
            "would let a window see padding only",
            field="padding",
            given=f"padding {around}, kernel {size}",
            accepted="less than the kernel on every axis",
        )
    return Window(size, per_axis("stride", stride, axes, 1), around, (1,) * axes)


def hashable(field: int | list[int]) -> int | Shape:
    """Return what a field holds as a key of caches.

    Examples
    --------
    >>> hashable([3, 5]), hashable(3)
    ((3, 5), 3)
    """
    return tuple(field) if isinstance(field, list) else field


@dataclass(frozen=True)
class Tap:
    """One element of a window at all positions along an axis where it meets the array.

    Attributes
    ----------
    inputs : slice
        The elements that it meets.
    outputs : slice
        The positions at which it does.
    """

    inputs: slice
    outputs: slice


@lru_cache(maxsize=1024)
def taps(length: int, kernel: int, stride: int, padding: int) -> tuple[Tap, ...]:
    """Return the taps of a window that slides along an axis, in order.

    Examples
    --------
    >>> for tap in taps(5, 3, 2, 1):
    ...     print(tap.inputs, tap.outputs)
    slice(1, 4, 2) slice(1, 3, None)
    slice(0, 5, 2) slice(0, 3, None)
    slice(1, 4, 2) slice(0, 2, None)
    """
    positions = (length + 2 * padding - kernel) // stride + 1
    found = []
    for tap in range(kernel):
        first = max(0, -(-(padding - tap) // stride))
        stop = min(positions, (length - 1 + padding - tap) // stride + 1)
        if first < stop:
            start = first * stride + tap - padding
            last = start + (stop - first - 1) * stride
            found.append(Tap(slice(start, last + 1, stride), slice(first, stop)))
    return tuple(found)


def along(axis: int, part: slice) -> tuple[slice, ...]:
    """Return the index of a part of an axis.

    Examples
    --------
    >>> along(1, slice(2, 4))
    (slice(None, None, None), slice(2, 4, None))
    """
    return (slice(None),) * axis + (part,)
