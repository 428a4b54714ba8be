"""The vocabulary: every word does what NumPy does."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from core.conv.codegen.emit import Emitter
from core.conv.codegen.library import load
from core.conv.codegen.target import host

WIDER = {
    "float16": "float32",
    "uint8": "float32",
    "int8": "float32",
    "uint16": "float32",
    "int16": "float32",
    "float32": "float64",
    "int32": "float64",
    "uint32": "float64",
    "int64": "float64",
}


@pytest.mark.parametrize(
    ("stored", "wanted"), [*WIDER.items(), ("uint8", "int64"), ("int16", "int64")]
)
@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_loads_convert(stored: str, wanted: str, lanes: int) -> None:
    code = Emitter(host(), "convert", ("pointer", "pointer"))
    source, target = code.arguments
    code.store(code.load(source, stored, lanes, 1, as_dtype=wanted), target)
    compute = load(partial(str, code.finish()), "convert", ("pointer", "pointer"))
    info = np.finfo(stored) if stored.startswith("float") else np.iinfo(stored)
    # Not quite to the ends: those of 64-bit integers are no floating-point numbers.
    x = np.linspace(0.99 * float(info.min), 0.99 * float(info.max), lanes + 1).astype(stored)
    result = np.empty(lanes, wanted)
    compute(x.ctypes.data, result.ctypes.data)
    np.testing.assert_array_equal(result, x[1:].astype(wanted))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_arithmetic(dtype: str) -> None:
    lanes = 8
    words = {
        "add": lambda a, b, c: a + b,
        "sub": lambda a, b, c: a - b,
        "mul": lambda a, b, c: a * b,
        "neg": lambda a, b, c: -a,
        "fma": lambda a, b, c: a * b + c,
    }
    code = Emitter(host(), "arithmetic", ("pointer", "pointer"))
    source, target = code.arguments
    values = [code.load(source, dtype, lanes, i * lanes) for i in range(3)]
    for i, word in enumerate(words):
        count = {"neg": 1, "fma": 3}.get(word, 2)
        code.store(getattr(code, word)(*values[:count]), target, i * lanes)
    code.store(code.shuffle(values[0], values[1], range(15, 7, -1)), target, 5 * lanes)
    code.store(code.broadcast(source, dtype, lanes, 3), target, 6 * lanes)
    x = np.random.default_rng(0).integers(-9, 9, (3, lanes)).astype(dtype)
    result = np.empty((7, lanes), dtype)
    load(partial(str, code.finish()), "arithmetic", ("pointer", "pointer"))(
        x.ctypes.data, result.ctypes.data
    )
    expected = [word(*x) for word in words.values()]
    np.testing.assert_array_equal(result, [*expected, x[1, ::-1], np.full(lanes, x[0, 3])])


def test_fma_rounds_once() -> None:
    code = Emitter(host(), "fused", ("pointer",))
    (numbers,) = code.arguments
    a, b, c = (code.load(numbers, "float64", 1, i) for i in range(3))
    code.store(code.fma(a, b, c), numbers, 3)
    x = np.array([1 + 2.0**-52, 1 - 2.0**-52, -1, 0])
    load(partial(str, code.finish()), "fused", ("pointer",))(x.ctypes.data)
    assert x[3] == -(2.0**-104)


@pytest.mark.parametrize(("start", "stop", "step"), [(0, 5, 1), (2, 11, 3), (4, 4, 1), (5, 2, 2)])
def test_loops_carry(start: int, stop: int, step: int) -> None:
    code = Emitter(host(), "counting", ("pointer", "integer", "integer", "integer"))
    numbers, first, last, by = code.arguments
    sums = [code.constant(0, "int64", 1)]
    with code.loop(first, last, by, carried=sums) as i, code.loop(0, 2, carried=sums) as j:
        sums[0] = code.add(sums[0], code.splat(code.index((i, 10), j), 1))
    code.store(sums[0], numbers)
    result = np.zeros(1, np.int64)
    load(partial(str, code.finish()), "counting", ("pointer", "integer", "integer", "integer"))(
        result.ctypes.data, start, stop, step
    )
    assert result[0] == sum(10 * i + j for i in range(start, stop, step) for j in range(2))


def test_index_and_minimum() -> None:
    code = Emitter(host(), "integers", ("pointer", "integer", "integer"))
    numbers, a, b = code.arguments
    results = [code.index((a, b), a, 3, (2, 5)), code.index((a, 0), 4), code.minimum(a, b)]
    for i, value in enumerate(results):
        code.store(code.splat(value, 1), numbers, i)
    found = np.zeros(3, np.int64)
    compute = load(partial(str, code.finish()), "integers", ("pointer", "integer", "integer"))
    compute(found.ctypes.data, -7, 5)
    assert found.tolist() == [-7 * 5 - 7 + 3 + 10, 4, -7]
