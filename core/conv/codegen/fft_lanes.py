"""Transforms across the lanes of vectors: the last steps of a row that lies along registers.

A digit of the lane's number changes places with a digit of the vector's number, by shuffles; the
butterfly is then between vectors, as everywhere else. Once all digits of the lanes have had
their turn, the lanes hold what the vectors' numbers held: the spectrum lies in a permuted order,
which products of spectra do not mind and the inverse transform undoes.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence

from core.conv.codegen.fft_complex import Complex, Vectors


def forward(vectors: Vectors, values: Sequence[Complex]) -> list[Complex]:
    """Transform the lanes of each of four vectors, decimating in frequency.

    Parameters
    ----------
    vectors : Vectors
        Writes the kernel.
    values : sequence of four Complex
        Each holds as many points as there are lanes.
    """
    result = list(values)
    for bits, stride in _digits(vectors.lanes):
        result = _exchanged(vectors, result, bits, stride)
        result = _between(vectors, result, bits, -1)
        result = [_twiddled(vectors, v, i, bits, stride) for i, v in enumerate(result)]
    return result


def inverse(vectors: Vectors, values: Sequence[Complex]) -> list[Complex]:
    """Undo `forward` but for a factor: the number of lanes."""
    result = list(values)
    for bits, stride in reversed(_digits(vectors.lanes)):
        result = [
            _twiddled(vectors, v, i, bits, stride, conjugate=True) for i, v in enumerate(result)
        ]
        result = _between(vectors, result, bits, 1)
        result = _exchanged(vectors, result, bits, stride)
    return result


def _digits(lanes: int) -> list[tuple[int, int]]:
    # From the highest digit down: its bits, and the distance of lanes that differ by one in it.
    digits = []
    while lanes > 1:
        bits = min(2, lanes.bit_length() - 1)
        lanes >>= bits
        digits.append((bits, lanes))
    return digits


def _exchanged(
    vectors: Vectors, values: Sequence[Complex], bits: int, stride: int
) -> list[Complex]:
    result = list(values)
    for bit in range(bits):
        for first in range(len(result)):
            second = first | 1 << bit
            if second == first:
                continue
            pairs = [
                _swapped(vectors, a, b, stride << bit)
                for a, b in zip(result[first], result[second], strict=True)
            ]
            (real, real_2), (imaginary, imaginary_2) = pairs
            result[first], result[second] = (real, imaginary), (real_2, imaginary_2)
    return result


def _swapped(vectors: Vectors, a: object, b: object, distance: int) -> tuple[object, object]:
    # The lanes of b whose number lacks the bit change places with those of a whose number has it.
    lanes = range(vectors.lanes)
    low = [i if not i & distance else vectors.lanes + i - distance for i in lanes]
    high = [i + distance if not i & distance else vectors.lanes + i for i in lanes]
    return vectors.code.shuffle(a, b, low), vectors.code.shuffle(a, b, high)


def _between(vectors: Vectors, values: Sequence[Complex], bits: int, sign: int) -> list[Complex]:
    radix, result = 1 << bits, []
    for first in range(0, len(values), radix):
        result += vectors.butterfly(values[first : first + radix], sign)
    return result


def _twiddled(
    vectors: Vectors,
    value: Complex,
    index: int,
    bits: int,
    stride: int,
    *,
    conjugate: bool = False,
) -> Complex:
    radix = 1 << bits
    frequency = index % radix
    if frequency == 0 or stride == 1:
        return value
    roots = [
        cmath.rect(1.0, -2 * math.pi * (lane % stride) * frequency / (radix * stride))
        for lane in range(vectors.lanes)
    ]
    table = vectors.tabulate([root.real for root in roots] + [root.imag for root in roots])
    return vectors.times(value, vectors.tabulated_complex(table, splat=False), conjugate=conjugate)
