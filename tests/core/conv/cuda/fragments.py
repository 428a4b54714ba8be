"""One product of a warp's tensor cores, on words that are put where the PTX ISA has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from core.conv.cuda import modules

PLACES = {"tf32": 1, "bfloat16": 2, "float16": 2}
# Two tiles of rows and three of columns.
ROWS, COLUMNS = 32, 24

_SOURCE = """
extern "C" __global__ void one_product(
    const float *__restrict__ a, const float *__restrict__ b, float *__restrict__ y)
{
    constexpr int DEPTH = WORDS * PLACES;
    const int g = threadIdx.x / 4, t = threadIdx.x % 4;
    unsigned left[2][4], right[3][2];
    float sums[2][3][4] = {};
    for (int r = 0; r < 2; r++)
        for (int i = 0; i < 4; i++)
            left[r][i] = packed(
                MULTIPLIED{}, a + (16 * r + i % 2 * 8 + g) * DEPTH + (t + i / 2 * 4) * PLACES);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 2; i++)
            right[c][i] = packed(MULTIPLIED{}, b + (8 * c + g) * DEPTH + (t + i * 4) * PLACES);
    multiply_words(left, right, sums);
    for (int r = 0; r < 2; r++)
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < 4; i++)
                y[(16 * r + i / 2 * 8 + g) * 24 + 8 * c + 2 * t + i % 2] = sums[r][c][i];
}
"""


def product(cupy: Any, precision: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a @ b.T`` of ``a (32, depth)`` and ``b (24, depth)``, by tensor cores."""
    header = Path(modules.__file__).with_name("mma.cuh").read_text()
    code = f"#define MULTIPLIED {precision}\n{header}{_SOURCE}"
    kernel = cupy.RawModule(code=code, options=modules.OPTIONS).get_function("one_product")
    y = cupy.empty((ROWS, COLUMNS), "float32")
    kernel((1, 1, 1), (32, 1, 1), (cupy.asarray(a), cupy.asarray(b), y))
    return y.get()


def rounded(x: np.ndarray, precision: str) -> np.ndarray:
    """Return float32 numbers with the significant bits that ``precision`` has, to the nearest."""
    if precision == "float16":
        return x.astype(np.float16).astype(np.float32)
    bits = 11 if precision == "tf32" else 8
    fraction, exponent = np.frexp(x.astype(np.float64))
    whole = np.ldexp(fraction, bits)
    # tf32 goes away from zero in the middle, bfloat16 to even.
    near = np.trunc(whole + np.copysign(0.5, whole)) if precision == "tf32" else np.rint(whole)
    return np.ldexp(near, exponent - bits).astype(np.float32)
