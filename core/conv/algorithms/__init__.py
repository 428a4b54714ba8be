"""The algorithms. A new one is a new file here and one line in this tuple."""

from __future__ import annotations

from core.conv.algorithm import Algorithm
from core.conv.algorithms import (
    cudnn,
    direct,
    fft_tiled,
    fft_whole,
    reference,
    separable,
    winograd,
)
from core.errors import InvalidInput

ALGORITHMS: tuple[Algorithm, ...] = (
    direct.ALGORITHM,
    separable.ALGORITHM,
    winograd.ALGORITHM,
    fft_tiled.ALGORITHM,
    fft_whole.ALGORITHM,
    cudnn.ALGORITHM,
    reference.ALGORITHM,
)


def by_name(name: str) -> Algorithm:
    """Return the algorithm that is called ``name``.

    Raises
    ------
    InvalidInput
        No algorithm has that name; the error lists the names that exist.

    Examples
    --------
    >>> by_name("direct").summary
    'every tap at every output, block by block in the cache'
    """
    for algorithm in ALGORITHMS:
        if algorithm.name == name:
            return algorithm
    raise InvalidInput(
        "no such algorithm",
        field="method",
        given=name,
        accepted=["auto", *(algorithm.name for algorithm in ALGORITHMS)],
    )
