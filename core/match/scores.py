"""How well a template fits at each place: raw and normalised cross-correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core import conv
from core.arrays import Array, array_module, is_on_gpu
from core.conv.blocks import Check, for_each, never, workers_for
from core.errors import InvalidInput

# Of sums, relative to the largest that there can be: several times what any algorithm is bound by.
_ROUNDING = 4096 * float(np.finfo(np.float64).eps)
# Scores that are computed at a time.
_STRIP = 1 << 14


@dataclass(frozen=True, eq=False)
class Template:
    """What is looked for.

    Attributes
    ----------
    values : ndarray of float64, shape (*K, C)
        With an axis of channels at the end.
    weights : ndarray of float64, shape K, or None
        How much each place counts, from 0 to 1; None if all count alike.
    """

    values: Array
    weights: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size in space or time."""
        shape: tuple[int, ...] = self.values.shape[:-1]
        return shape


def raw(
    x: Array, template: Template, *, memory_cap: int | None = None, check: Check = never
) -> Array:
    """Return the sum of the products of image and template at each place where it fits.

    Parameters
    ----------
    x : ndarray of float64, shape (*S, C)
        The image, with an axis of channels at the end.
    template : Template
        With as many axes and channels.
    memory_cap, check
        As in `core.conv.correlate`.

    Returns
    -------
    ndarray, shape (S - K + 1)
        Largest where the image is bright; see `normalised`.

    Raises
    ------
    InvalidInput
        The template is larger than the image, or has other channels.

    Examples
    --------
    >>> raw(np.array([[1.0], [2.0], [3.0]]), Template(np.array([[1.0], [1.0]]))).tolist()
    [3.0, 5.0]
    """
    _check(x, template)
    taps = template.values
    if template.weights is not None:
        taps = taps * template.weights[..., None]
    return _over_channels(x, taps, memory_cap, check)


def normalised(
    x: Array, template: Template, *, memory_cap: int | None = None, check: Check = never
) -> Array:
    """Return the correlation coefficient of image and template at each place where it fits.

    Means and variances are those of the places that count, by their weights: the means of each
    channel, the variances of all together. So neither brightness nor contrast matter.

    Parameters
    ----------
    x, template, memory_cap, check
        See `raw`.

    Returns
    -------
    ndarray, shape (S - K + 1)
        From -1 to 1; 0 where the image is constant: nothing fits there better than anything else.
        Whether it is constant is decided against a bound on all rounding errors, not by a small
        number; so no quotient of two rounding errors is ever taken for a match.

    Raises
    ------
    InvalidInput
        As `raw`; and if the template is constant.

    Examples
    --------
    >>> x = np.array([[5.0], [5.0], [5.0], [9.0], [1.0]])
    >>> normalised(x, Template(np.array([[2.0], [1.0]]))).round(3).tolist()
    [0.0, 0.0, -1.0, 1.0]
    """
    _check(x, template)
    axes = tuple(range(len(template.shape)))
    xp = array_module(x)
    weights = xp.ones(template.shape) if template.weights is None else template.weights
    total = float(weights.sum())
    if total <= 0:
        raise InvalidInput("leaves nothing of the template", field="mask")
    w = weights[..., None]
    centred = template.values - (w * template.values).sum(axis=axes) / total
    power = float((w * centred**2).sum())
    scale = float(abs(template.values).max())
    if power <= _ROUNDING * total * scale**2:
        raise InvalidInput(
            "the template is constant, so it fits everywhere alike",
            field="template",
            accepted="a template with more than one value",
        )
    # Where the image is far from zero, squares would lose what matters.
    x = x - x.mean(axis=axes)
    fits = _over_channels(x, w * centred, memory_cap, check)
    sums, squares, brightest = [], [], 0.0
    for channel in range(x.shape[-1]):
        plane = xp.ascontiguousarray(x[..., channel])
        sums.append(_windows(plane, weights, memory_cap, check))
        plane *= plane
        squares.append(_windows(plane, weights, memory_cap, check))
        brightest += float(plane.max())
    floor = _ROUNDING * total * brightest

    def divide(start: int) -> None:
        strip = slice(start, start + rows)
        scores = fits[strip]
        energy = sum(
            q[strip] - s[strip] * s[strip] / total for s, q in zip(sums, squares, strict=True)
        )
        constant = ~(energy > floor)
        energy[constant], scores[constant] = 1, 0
        energy *= power
        scores /= xp.sqrt(energy, out=energy)
        xp.clip(scores, -1, 1, out=scores)

    # In strips that stay in the cache; a GPU is busy with all of them at once only.
    rows = len(fits) if is_on_gpu(fits) else -(-_STRIP * len(fits) // fits.size)
    for_each(divide, range(0, len(fits), rows), check, workers_for(fits))
    return fits


def _over_channels(x: Array, taps: Array, memory_cap: int | None, check: Check) -> Array:
    xp = array_module(x)
    planes = [
        _windows(
            xp.ascontiguousarray(x[..., channel]),
            xp.ascontiguousarray(taps[..., channel]),
            memory_cap,
            check,
        )
        for channel in range(x.shape[-1])
    ]
    summed: Array = sum(planes[1:], planes[0])
    return summed


def _windows(plane: Array, taps: Array, memory_cap: int | None, check: Check) -> Array:
    found: Array = conv.correlate(plane, taps, "valid", memory_cap=memory_cap, check=check)
    return found


def _check(x: Array, template: Template) -> None:
    size, shape = template.shape, x.shape[:-1]
    fits = len(size) == len(shape) and all(k <= n for k, n in zip(size, shape, strict=True))
    if not fits or template.values.shape[-1] != x.shape[-1]:
        raise InvalidInput(
            "the template does not fit into the input",
            field="template",
            given=f"{' × '.join(map(str, size))}, {template.values.shape[-1]} channels",
            accepted=f"at most {' × '.join(map(str, shape))}, {x.shape[-1]} channels",
        )
