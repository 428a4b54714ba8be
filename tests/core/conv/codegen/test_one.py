"""The kernels for one image against loops over their tables."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from core.conv import codegen
from core.conv.codegen import one_interleave, one_pool, one_rows, one_sums, one_whiten
from core.conv.codegen.one_activation import constants
from core.conv.codegen.one_sums import Tile, best_tile, cycles
from core.conv.codegen.target import host, named

pytestmark = pytest.mark.skipif(not codegen.available(), reason="generated kernels are off")

DTYPES = st.sampled_from(["float32", "float64"])
ACTIVATIONS = st.sampled_from(["identity", "relu", "leaky_relu"])
SLOPE = 0.25


def lanes_of(dtype: str) -> int:
    return host().lanes(np.dtype(dtype).itemsize)


def address(array: np.ndarray) -> int:
    return int(array.ctypes.data)


def numbers(data: st.DataObject, shape: tuple[int, ...] | int, dtype: str) -> np.ndarray:
    seed = data.draw(st.integers(0, 999))
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def activated(x: np.ndarray, activation: str) -> np.ndarray:
    if activation == "identity":
        return x
    return np.maximum(x, SLOPE * x if activation == "leaky_relu" else 0)


@settings(max_examples=60)
@given(
    dtype=DTYPES,
    activation=ACTIVATIONS,
    kind=st.sampled_from(["", "by_channel", "by_element"]),
    size=st.sampled_from([(1, 1), (1, 3), (3, 2), (8, 1), (14, 2)]),
    data=st.data(),
)
def test_sums_are_those_of_all_runs(dtype, activation, kind, size, data) -> None:
    lanes, (pixels, vectors) = lanes_of(dtype), size
    by_channel = kind == "by_channel"
    vectors = 1 if by_channel else vectors
    tile = Tile(
        dtype, lanes, pixels, vectors, 32, activation, by_channel, by_element=kind == "by_element"
    )
    blocks = data.draw(st.integers(1, 3))
    length = 1 if by_channel else data.draw(st.integers(1, 40))
    runs = np.array(data.draw(st.lists(st.integers(0, 100), min_size=1, max_size=4)), np.int64)
    x, pitch = numbers(data, 2000, dtype), blocks * tile.width + lanes
    into = np.array(data.draw(st.lists(st.integers(0, 500), min_size=1, max_size=3)), np.int64)
    out = np.arange(len(into)) * pixels * pitch + 5
    weights = numbers(data, (blocks, len(runs), length, tile.width), dtype)
    biases, y = numbers(data, (blocks, tile.width), dtype), np.full(20000, 7, dtype)
    slope, tiles = constants(dtype, SLOPE), np.stack([into, out], axis=1)
    first, last = data.draw(st.integers(0, len(into) - 1)), len(into)
    first_block = data.draw(st.integers(0, blocks - 1))
    one_sums.kernel(tile)(
        *(address(a) for a in (x, weights, biases, y, slope, tiles, runs)),
        *(first, last, first_block, blocks, len(runs), length, pitch),
    )
    expected = np.full(20000, 7, dtype)
    for one in range(first, last):
        for p in range(pixels):
            for block in range(first_block, blocks):
                total = biases[block].astype(np.float64)
                for r, run in enumerate(runs):
                    for step in range(length):
                        place = into[one] + run + p * 32 + step
                        value = x[place + block * lanes :][:lanes] if by_channel else x[place]
                        total += weights[block, r, step].astype(np.float64) * value
                start = out[one] + p * pitch + block * tile.width
                expected[start : start + tile.width] = activated(total, activation)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4 if dtype == "float32" else 1e-12)


@settings(max_examples=40)
@given(
    dtype=DTYPES,
    what=st.sampled_from(["largest", "mean"]),
    pixels=st.sampled_from([1, 2, 9, 10, 30]),
    special=st.sampled_from([0.0, np.nan, np.inf, -np.inf]),
    data=st.data(),
)
def test_pools_are_those_of_numpy(dtype, what, pixels, special, data) -> None:
    lanes, vectors, count = lanes_of(dtype), data.draw(st.integers(1, 3)), 4
    x = numbers(data, 2000, dtype)
    x[data.draw(st.lists(st.integers(0, 1999), max_size=100))] = special
    seed = data.draw(st.integers(0, 999))
    seen = np.random.default_rng(seed).integers(0, 1900, (count, pixels))
    out, shares = np.arange(count) * 60, numbers(data, count, dtype)
    y = np.zeros(300, dtype)
    windows = np.column_stack([out, seen])
    window = one_pool.Window(dtype, lanes, what, pixels)
    tables = (x, y, windows, shares)
    one_pool.kernel(window)(*map(address, tables), count, vectors)
    expected = np.zeros(300, dtype)
    for one in range(count):
        values = np.stack([x[place : place + vectors * lanes] for place in seen[one]])
        found = values.max(axis=0)
        if what == "mean":
            with np.errstate(invalid="ignore"):
                found = values.astype(np.float64).sum(axis=0) * shares[one]
        expected[out[one] : out[one] + vectors * lanes] = found
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


@settings(max_examples=30)
@given(dtype=DTYPES, activation=ACTIVATIONS, operands=st.integers(1, 8), data=st.data())
def test_rows_are_added_one_by_one(dtype, activation, operands, data) -> None:
    lanes, vectors = lanes_of(dtype), data.draw(st.integers(0, 3))
    values = [numbers(data, 500, dtype) for _ in range(operands)]
    starts = data.draw(st.lists(st.integers(0, 400), min_size=2 * operands, max_size=2 * operands))
    table = np.column_stack([[3, 200], np.array(starts).reshape(2, operands)]).astype(np.int64)
    y, slope = np.zeros(400, dtype), constants(dtype, SLOPE)
    rows = one_rows.Rows(dtype, lanes, operands, activation)
    one_rows.kernel(rows)(*map(address, (y, slope, table, *values)), 2, vectors)
    expected, size = np.zeros(400, dtype), vectors * lanes
    for out, *places in table:
        parts = [value[place : place + size] for value, place in zip(values, places, strict=True)]
        expected[out : out + size] = activated(sum(parts), activation)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


EXPECTED = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.maximum(x, SLOPE * x),
    "elu": lambda x: np.where(x > 0, x, SLOPE * np.expm1(np.minimum(x, 0))),
    "tanh": np.tanh,
    "sigmoid": scipy.special.expit,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", EXPECTED)
def test_activations_are_right_everywhere(activation: str, dtype: str) -> None:
    lanes = lanes_of(dtype)
    near = np.random.default_rng(0).standard_normal(4096)
    far = np.concatenate([near * 10.0**power for power in (-30, -6, -3, -1, 0, 1, 2, 3, 30)])
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 87.0, 88.8, -88.8, 709.0, -745.0] * 8)
    x = np.concatenate([far, special[: len(special) // lanes * lanes]]).astype(dtype)
    y = np.zeros_like(x)
    rows, table = one_rows.Rows(dtype, lanes, 1, activation), np.zeros((1, 2), np.int64)
    numbers = constants(dtype, SLOPE)
    one_rows.kernel(rows)(*map(address, (y, numbers, table, x)), 1, len(x) // lanes)
    with np.errstate(all="ignore"):
        expected = EXPECTED[activation](x.astype(np.float64))
    # Four units in the last place, also near 0.
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, expected, rtol=4 * eps, atol=np.finfo(dtype).tiny)


@settings(max_examples=40)
@given(dtype=DTYPES, channels=st.sampled_from([1, 3, 8, 9, 17]), data=st.data())
def test_channels_come_side_by_side(dtype, channels, data) -> None:
    pitch = channels + data.draw(st.integers(0, 3))
    rows, length = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 9))
    x, y = (
        numbers(data, (channels, rows, length), dtype),
        np.zeros((rows, length + 2, pitch), dtype),
    )
    starts = [(row * length, (row * (length + 2) + 1) * pitch) for row in range(rows)]
    table = np.array(starts, np.int64)
    spec = one_interleave.Interleaving(dtype, channels, pitch)
    tables = (x, y, table)
    one_interleave.kernel(spec)(*map(address, tables), rows, length, rows * length)
    expected = np.zeros_like(y)
    expected[:, 1:-1, :channels] = np.moveaxis(x, 0, -1)
    np.testing.assert_array_equal(y, expected)


@settings(max_examples=30)
@given(dtype=DTYPES, rows=st.integers(1, 4), length=st.integers(1, 150), data=st.data())
def test_whitened_images_have_mean_0_and_variance_1(dtype, rows, length, data) -> None:
    pitches = [length + data.draw(st.integers(0, 3)) for _ in range(2)]
    starts = np.stack([np.arange(rows) * pitch for pitch in pitches], axis=1).astype(np.int64)
    x = numbers(data, rows * pitches[0], dtype) * 3 + 1
    y = np.full(rows * pitches[1], 7, dtype)
    spec = one_whiten.Whitening(dtype, lanes_of(dtype))
    own = one_whiten.constants(dtype, rows * length, 0.01)
    one_whiten.kernel(spec)(*map(address, (x, y, own, starts)), rows, length)
    seen = x.reshape(rows, -1)[:, :length].astype(np.float64)
    wanted = np.full((rows, pitches[1]), 7.0)
    wanted[:, :length] = (seen - seen.mean()) / np.sqrt(seen.var() + 0.01)
    np.testing.assert_allclose(y.reshape(rows, -1), wanted, rtol=1e-4, atol=1e-4)


@settings(max_examples=100)
@given(
    row=st.integers(1, 100),
    filters=st.integers(1, 300),
    steps=st.integers(1, 5000),
    by_channel=st.booleans(),
    processor=st.sampled_from(["cortex-a78", "cortex-a15", "x86-64-v3", "x86-64-v4"]),
)
def test_a_tile_fits_the_registers_and_leaves_no_block_unfilled(
    row, filters, steps, by_channel, processor
) -> None:
    target = named(processor)
    by_element = target.by_element and not by_channel
    like = Tile("float32", target.lanes(4), 1, 1, 16, by_channel=by_channel, by_element=by_element)
    tile = best_tile(like, row, filters, steps, target.registers)
    vectors = -(-filters // tile.lanes)
    assert vectors % tile.vectors == 0
    assert 1 <= tile.pixels <= row
    sums = tile.pixels * tile.vectors
    assert sums + tile.vectors < target.registers or tile.pixels == 1
    worst = Tile("float32", target.lanes(4), 1, 1, 16, by_channel=by_channel)
    tiles = -(-row // tile.pixels) * (vectors // tile.vectors)
    assert tiles * cycles(tile, steps) <= row * vectors * cycles(worst, steps)
