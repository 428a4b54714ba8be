"""Which layers a CUDA graph can hold, and what follows from a counter in place of a generator."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conv.capturable import capturable
from core.nets import chance
from core.nets.blas import product
from core.nets.layer import Context
from core.nets.layers import LAYERS
from core.nets.layers.dropout import LAYER as DROPOUT
from core.nets.layers.dropout import DropoutSpec, factors
from tests.core.conv.cuda import capture
from tests.core.nets.layers.conftest import build

# Its product is one of many matrices by one, by cuBLAS.
REFUSED = {"log_mel"}


@pytest.fixture(scope="module")
def patched(tmp_path_factory):
    with capture.nets(tmp_path_factory.mktemp("none")) as found:
        yield found


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layers_are_launched_as_they_were_recorded(patched, layer) -> None:
    cupy, recorder = patched
    folder = Path(__file__).parent / "layers" / "examples"
    example = runpy.run_path(str(folder / f"{layer.name}.py"))["EXAMPLES"][0]
    case = build(example, 3, 1, training=True, dtype="float32")
    stream = cupy.cuda.Stream(non_blocking=True)

    def run(inputs, weights, dy):
        context = Context(True, (1,), state, counter=number)
        y, backward = case.layer.forward(case.spec, inputs, weights, context)
        dx, dw = backward(cupy.ones_like(y) if dy is None else dy)
        return [y, *(each for each in dx if each is not None), *dw.values()]

    with stream, capturable(), np.errstate(all="ignore"):
        number = cupy.asarray(np.int64(3))
        state = {name: cupy.asarray(array) for name, array in case.state.items()}
        inputs = [cupy.asarray(x) for x in case.inputs]
        weights = {name: cupy.asarray(array) for name, array in case.weights.items()}
        expected = [array.get() for array in run(inputs, weights, None)]
        with cupy.cuda.using_allocator(None):
            stream.begin_capture()
            if layer.name in REFUSED:
                with pytest.raises(NotImplementedError):
                    run(inputs, weights, None)
                with pytest.raises(RuntimeError, match="Invalidated"):
                    stream.end_capture()
                return
            found = run(inputs, weights, None)
            graph = stream.end_capture()
        reads = recorder.reads
        graph.launch(stream=stream)
        assert recorder.reads == reads
        for array, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(array.get(), wanted)


@given(
    seed=st.tuples(st.integers(0, 2**32), st.integers(0, 99)),
    number=st.integers(0, 2**40),
    size=st.integers(1, 20),
)
def test_random_bits_are_those_of_the_definition(seed, number, size) -> None:
    most, half = 2**64 - 1, 32
    key = int(chance._key(seed))
    found = chance.bits(seed, np.array(number), (size,)).tolist()

    def swapped(x: int) -> int:
        return (x >> half) | (x << half) & most

    for place, bits in enumerate(found):
        y = (number * size + place) * key & most
        z = (y + key) & most
        x = y
        for addend in (y, z, y):
            x = swapped((x * x + addend) & most)
        assert bits == ((x * x + z) & most) >> half


def test_dropout_on_a_device_is_another_one_in_each_step(patched) -> None:
    cupy, _ = patched
    spec, x = DropoutSpec(layer="dropout", rate=0.3), cupy.ones((50, 40), np.float32)

    def drawn(seed: int, step: int) -> np.ndarray:
        context = Context(training=True, seed=(seed,), counter=cupy.asarray(np.int64(step)))
        y, backward = DROPOUT.forward(spec, [x], {}, context)
        np.testing.assert_array_equal(backward(x)[0][0].get(), y.get())
        return y.get()

    first = drawn(0, 5)
    values = set(factors(spec, (99,), np.dtype("float32"), np.random.default_rng(0)).tolist())
    assert set(first.ravel().tolist()) == values
    # Of 2000 draws four deviations.
    assert abs((first == 0).mean() - 0.3) < 0.042
    np.testing.assert_array_equal(first, drawn(0, 5))
    for other in (drawn(0, 6), drawn(1, 5)):
        assert abs((other == first).mean() - 0.58) < 0.045


def test_products_that_are_captured_are_those_of_blas(patched) -> None:
    cupy, _ = patched
    random = np.random.default_rng(0)
    a, b = random.standard_normal((7, 5)), random.standard_normal((5, 3))
    with capturable():
        for dtype, close in (("float64", 1e-12), ("float32", 1e-5), ("float16", 1e-2)):
            there = [cupy.asarray(array.astype(dtype)) for array in (a, b)]
            found = product(*there), product(there[1].T, there[0].T).T
            for array in found:
                assert array.dtype == dtype
                np.testing.assert_allclose(array.get(), a @ b, rtol=close, atol=close)
