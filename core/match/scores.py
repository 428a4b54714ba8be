"""How well a template fits at each place: raw and normalised cross-correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core import conv
from core.arrays import Array, array_module, is_on_gpu
from core.conv import codegen
from core.conv.blocks import Check, for_each, never, workers_for
from core.conv.nonfinite import peak
from core.errors import InvalidInput

# Of sums, relative to the largest that there can be: several times what any algorithm is bound by.
_ROUNDING = 4096 * float(np.finfo(np.float64).eps)
# Times as far from zero as values are from their mean: then correlations lose three digits.
_FAR = 1e3
# Of which sums of squares lose nothing.
_SMALLEST, _LARGEST = 1e-100, 1e100
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
    x : ndarray, shape (*S, C)
        The image, of any real dtype, with an axis of channels at the end.
    template : Template
        With as many axes and channels.
    memory_cap, check
        As in `core.conv.correlate`.

    Returns
    -------
    ndarray of float64, shape (S - K + 1)
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
    return _over_channels(_planes(x, centre=False), taps, memory_cap, check)


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
    ndarray of float64, shape (S - K + 1)
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
    x, values = _squarable(x), _squarable(template.values)
    size = template.shape
    axes = tuple(range(len(size)))
    xp = array_module(x)
    weights = template.weights
    if weights is not None and float(weights.max()) <= 0:
        raise InvalidInput("leaves nothing of the template", field="mask")
    alike = weights is None or float(weights.min()) == float(weights.max())
    if weights is None or alike:
        weights = xp.ones(size)
    total = float(weights.sum())
    w = weights[..., None]
    centred = values - (w * values).sum(axis=axes) / total
    power = float((w * centred**2).sum())
    scale = float(abs(values * (w > 0)).max())
    if power <= _ROUNDING * total * scale**2:
        raise InvalidInput(
            "the template is constant, so it fits everywhere alike",
            field="template",
            accepted="a template with more than one value",
        )
    if alike and len(size) == 2 and not is_on_gpu(x) and codegen.available():
        return _in_one_pass(x, centred, power, memory_cap, check)
    # Where the image is far from zero, squares would lose what matters.
    planes = _planes(x, centre=True)
    scores = _over_channels(planes, w * centred, memory_cap, check)
    floor = _ROUNDING * total * sum(peak(plane) ** 2 for plane in planes)
    _divide(scores, planes, weights, power, floor, memory_cap, check)
    return scores


def _squarable(values: Array) -> Array:
    """Return a multiple of which squares are neither 0 nor beyond all numbers; scores stay."""
    if values.dtype != np.float64:
        return values
    top = peak(values)
    return values / top if 0 < top < _SMALLEST or _LARGEST < top < np.inf else values


def _in_one_pass(
    x: Array, taps: Array, power: float, memory_cap: int | None, check: Check
) -> Array:
    """Return the scores of a picture in which all places of a template count alike."""
    from core.conv.codegen import coefficient

    planes = np.ascontiguousarray(np.moveaxis(x, -1, 0))
    if planes.dtype.name not in coefficient.DTYPES:
        planes = planes.astype(np.float64)
    height, width = taps.shape[:-1]
    # Any number near the mean is as good: what it is does not change the variance.
    centres = [float(plane[::height, ::width].mean(dtype=np.float64)) for plane in planes]
    reach = [
        max(float(plane.max()) - centre, centre - float(plane.min()))
        for plane, centre in zip(planes, centres, strict=True)
    ]
    if any(abs(centre) > _FAR * far for centre, far in zip(centres, reach, strict=True)):
        # Sums of products would lose what matters, too.
        planes, centres = _planes(x, centre=True), [0.0] * len(planes)
    scores = _over_channels(planes, taps, memory_cap, check)
    floor = _ROUNDING * height * width * sum(far**2 for far in reach)
    coefficient.divide(scores, planes, centres, (height, width), power, floor, check)
    return scores


def _divide(
    scores: Array,
    planes: Array,
    weights: Array,
    power: float,
    floor: float,
    memory_cap: int | None,
    check: Check,
) -> None:
    """Divide sums of products by the deviations; the planes are lost."""
    xp, total = array_module(planes), float(weights.sum())
    sums, squares = [], []
    for plane in planes:
        sums.append(_windows(plane, weights, memory_cap, check))
        plane *= plane
        squares.append(_windows(plane, weights, memory_cap, check))

    def divide(start: int) -> None:
        strip = slice(start, start + rows)
        energy = sum(
            q[strip] - s[strip] * s[strip] / total for s, q in zip(sums, squares, strict=True)
        )
        constant = ~(energy > floor)
        energy[constant], scores[strip][constant] = 1, 0
        energy *= power
        scores[strip] /= xp.sqrt(energy, out=energy)
        xp.clip(scores[strip], -1, 1, out=scores[strip])

    # In strips that stay in the cache; a GPU is busy with all of them at once only.
    rows = len(scores) if is_on_gpu(scores) else -(-_STRIP * len(scores) // scores.size)
    for_each(divide, range(0, len(scores), rows), check, workers_for(scores))


def _planes(x: Array, *, centre: bool) -> Array:
    """Return the channels one after the other, in double precision, without their means."""
    xp = array_module(x)
    found = xp.empty((x.shape[-1], *x.shape[:-1]))
    for channel, plane in enumerate(found):
        values = x[..., channel]
        mean = values.mean(dtype=xp.float64) if centre else 0
        xp.subtract(values, mean, out=plane, dtype=xp.float64)
    return found


def _over_channels(planes: Array, taps: Array, memory_cap: int | None, check: Check) -> Array:
    xp = array_module(planes)
    found = [
        _windows(plane, xp.ascontiguousarray(taps[..., channel]), memory_cap, check)
        for channel, plane in enumerate(planes)
    ]
    summed: Array = sum(found[1:], found[0])
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
