"""The generated tile kernels against NumPy's transforms, for registers of every width."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from core.conv.codegen.fft_tile import PARAMETERS, name_of, tile_kernel, tile_strides
from core.conv.codegen.library import assembly, compile_object, load_with_constants
from core.conv.codegen.target import Target, host, named

# Bytes of a register, and how many there are: AVX-512, AVX2, NEON.
REGISTERS = [(64, 32), (32, 16), (16, 32)]
TILES = [
    (64,), (128,), (192,), (8192,), (4, 64), (64, 128), (96, 192), (256, 64), (3, 384), (2, 6, 64),
    (1, 1, 64),
]  # fmt: skip


def narrowed(width: int, registers: int) -> Target:
    """This processor, as if its registers were no wider."""
    if width > host().vector_bytes:
        pytest.skip(f"this processor has no registers of {width} bytes")
    return replace(host(), vector_bytes=width, registers=registers)


class Kernel:
    """A kernel for tiles of whole arrays, with memory that starts on a cache line."""

    def __init__(self, target: Target, task: str, dtype: str, tile: tuple, is_complex: bool):
        self.tile = tile
        write = partial(tile_kernel, target, task, dtype, tile, is_complex=is_complex)
        name = name_of(task, tile)
        self.function, numbers = load_with_constants(write, name, PARAMETERS)
        self.constants = np.frombuffer(numbers, dtype)

    def __call__(self, inputs, outputs, turns, spectrum, memory, strides) -> None:
        self.function(
            inputs.ctypes.data, outputs.ctypes.data, turns, turns, strides.ctypes.data,
            spectrum.ctypes.data, memory.ctypes.data, self.constants.ctypes.data,
        )  # fmt: skip


def box(array: np.ndarray, limits=None) -> list[int]:
    limits = limits or [(0, n) for n in array.shape]
    return [array.ctypes.data, *(end for axis in limits for end in axis)]


def boxes(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.int64)


def random_tile(tile: tuple, dtype: str, is_complex: bool, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.standard_normal(tile)
    if not is_complex:
        return values.astype(dtype)
    return (values + 1j * random.standard_normal(tile)).astype(np.result_type(dtype, np.complex64))


def circular(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    result = np.fft.ifftn(np.fft.fftn(x.astype(complex)) * np.fft.fftn(w.astype(complex)))
    return result if x.dtype.kind == "c" else result.real


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize(("dtype", "accuracy"), [("float32", 1e-6), ("float64", 2e-15)])
@pytest.mark.parametrize(("width", "registers"), REGISTERS, ids=lambda n: str(n))
def test_tiles_are_convolved(width, registers, dtype, accuracy, is_complex) -> None:
    target = narrowed(width, registers)
    tiles = TILES if width == host().vector_bytes and not is_complex else TILES[2:7:4]
    for tile in tiles:
        count = 1 if is_complex else 2
        xs = [random_tile(tile, dtype, is_complex, seed) for seed in range(count)]
        outs = [np.empty_like(x) for x in xs]
        w = random_tile(tile, dtype, is_complex, 7)
        elements = tile_strides(dtype, tile)[0]
        spectrum, memory = np.zeros(elements, dtype), np.zeros(elements, dtype)
        strides = np.array([*w.strides[:-1]] * 2, np.int64)
        alone = boxes(box(w), *[[w.ctypes.data] + [0] * 2 * len(tile)] * (count - 1))
        forward = Kernel(target, "forward", dtype, tile, is_complex)
        forward(alone, alone, 1, spectrum, spectrum, strides)
        both = Kernel(target, "convolve", dtype, tile, is_complex)
        both(boxes(*map(box, xs)), boxes(*map(box, outs)), 1, spectrum, memory, strides)
        for x, out in zip(xs, outs, strict=True):
            expected = circular(x, w)
            error = np.abs(out / np.prod(tile) - expected).max()
            assert error <= accuracy * np.abs(expected).max(), tile


def test_forward_and_inverse_use_memory_of_their_own_each_turn() -> None:
    tile, turns = (4, 64), 3
    xs = np.stack([random_tile(tile, "float32", False, seed) for seed in range(2 * turns)])
    outs = np.empty_like(xs)
    memory = np.zeros((turns, tile_strides("float32", tile)[0]), np.float32)
    strides = np.array([xs.strides[1]] * 2, np.int64)
    sources, targets = boxes(*map(box, xs)), boxes(*map(box, outs))
    Kernel(host(), "forward", "float32", tile, False)(
        sources, targets, turns, memory, memory, strides
    )
    assert len({spectrum.tobytes() for spectrum in memory}) == turns
    Kernel(host(), "inverse", "float32", tile, False)(
        sources, targets, turns, memory, memory, strides
    )
    np.testing.assert_allclose(outs / np.prod(tile), xs, atol=1e-6)


@pytest.mark.parametrize("is_complex", [False, True], ids=["real", "complex"])
def test_nothing_outside_of_a_box_is_read_or_written(is_complex: bool) -> None:
    tile, dtype = (8, 64), "float32"
    x = random_tile(tile, dtype, is_complex, 0)
    out = np.full_like(x, 5)
    w = np.zeros_like(x)
    w[0, 0] = 1
    seen, wanted = [(2, 7), (3, 61)], [(1, 4), (17, 40)]
    inside, written = np.zeros(tile, bool), np.zeros(tile, bool)
    inside[2:7, 3:61] = written[1:4, 17:40] = True
    x[~inside] = np.nan
    elements = tile_strides(dtype, tile)[0]
    spectrum, memory = np.zeros(elements, dtype), np.zeros(elements, dtype)
    strides = np.array([x.strides[0], out.strides[0]], np.int64)
    empty = [] if is_complex else [[x.ctypes.data, 0, 0, 0, 0]]
    Kernel(host(), "forward", dtype, tile, is_complex)(
        boxes(box(w), *empty), boxes(box(w), *empty), 1, spectrum, spectrum, strides
    )
    Kernel(host(), "convolve", dtype, tile, is_complex)(
        boxes(box(x, seen), *empty), boxes(box(out, wanted), *empty), 1, spectrum, memory, strides
    )
    np.testing.assert_array_equal(out[~written], 5)
    expected = np.where(inside, x, 0)
    np.testing.assert_allclose(out[written] / out.size, expected[written], atol=1e-6)


@pytest.mark.parametrize("cpu", ["cortex-a78", "cortex-a15", "x86-64-v3"])
def test_kernels_are_compiled_for_other_processors(cpu: str) -> None:
    target = named(cpu)
    kernel = tile_kernel(target, "convolve", "float32", (16, 64), is_complex=False)
    assert len(compile_object(kernel.ir, target)) > 1000
    fused = {"cortex-a78": "fmla", "cortex-a15": "vfma", "x86-64-v3": "vfmadd"}[cpu]
    assert fused in assembly(kernel.ir, target)
