"""What convolution and transposed convolution have in common."""

from __future__ import annotations

import math

import numpy as np

from core.arrays import Array
from core.errors import InvalidInput


def check_groups(groups: int, channels: int, filters: int) -> None:
    """Refuse groups that do not divide the channels that come in and those that go out.

    Examples
    --------
    >>> check_groups(2, 4, 6)
    """
    if channels % groups or filters % groups:
        raise InvalidInput(
            "does not divide the channels that come in and the filters",
            field="groups",
            given=f"groups {groups}, channels {channels}, filters {filters}",
            accepted=f"divisors of {math.gcd(channels, filters)}",
        )


def add_bias(y: Array, bias: Array) -> None:
    """Add one number per channel to ``y (channels, *spatial, images)``, in place.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.zeros((2, 1, 1))
    >>> add_bias(y, np.array([1.0, 2.0]))
    >>> y[:, 0, 0]
    array([1., 2.])
    """
    y += bias.reshape(-1, *(1,) * (y.ndim - 1))


def bias_gradient(dy: Array) -> Array:
    """Return the sum for each channel of ``dy (channels, *spatial, images)``.

    Examples
    --------
    >>> import numpy as np
    >>> bias_gradient(np.ones((2, 3, 4)))
    array([12., 12.])
    """
    # Sums of float16 are float32.
    wide = np.result_type(dy.dtype, np.float32)
    found: Array = dy.sum(axis=tuple(range(1, dy.ndim)), dtype=wide)
    return found
