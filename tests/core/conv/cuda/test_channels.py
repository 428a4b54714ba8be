"""The kernel that sums over channels: compiled for a processor and for devices."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from core.conv import conv
from core.conv.algorithms import by_name
from core.conv.cuda import channels, gathering
from core.conv.cuda.launch import types
from core.conv.device import gpu
from core.conv.gradients import conv_input_gradient, conv_weight_gradient
from core.conv.problem import multi_channel_problem
from tests.core.conv.cuda import nvcc, standin
from tests.core.conv.cuda.layers import assert_exact, layers

# Taps, a group's output channels, dtypes of sums and of inputs: each tile, each number of axes.
CASES = [
    ((3, 2), 1, "float32", "uint8"),
    ((5,), 6, "float64", "float64"),
    ((2, 1, 3), 30, "float32", "float16"),
    ((3, 3), 130, "float32", "float32"),
]


def layer(outputs: int, dtype: str = "float32"):
    form = multi_channel_problem((4, 64, 56, 56), (outputs, 64, 3, 3), "float32", "float32").normal
    return replace(form, dtype=dtype)


@pytest.mark.parametrize(("taps", "outputs", "dtype", "stored"), CASES)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(layer=layers(9))
def test_it_is_direct_convolution(cupy, taps, outputs, dtype, stored, layer) -> None:
    assert_exact(cupy, channels, layer, taps, outputs, stored=stored, dtype=dtype)


def test_threads_of_a_warp_find_what_they_multiply_in_different_banks(cupy, counted) -> None:
    x, w = cupy.ones((1, 16, 12, 12), "float32"), cupy.ones((64, 16, 3, 3), "float32")
    conv(x, w, method="direct")
    turns, least = standin.turns()
    # Half of a warp reads 16 bytes a thread, twice what banks have, and the other half the same.
    assert least <= turns < 2 * least


def test_inputs_may_lie_farther_apart_than_32_bits_count(cupy, monkeypatch) -> None:
    monkeypatch.setattr(gathering, "_MOST_INPUTS", 1000)
    random = np.random.default_rng(3)
    whole = random.integers(0, 9, (2, 3, 20, 20)).astype("f")
    w = random.integers(-9, 9, (4, 3, 3, 3)).astype("f")
    found = conv(cupy.asarray(whole)[..., ::2], cupy.asarray(w), method="direct")
    np.testing.assert_array_equal(found.get(), conv(whole[..., ::2].copy(), w, method="reference"))
    assert not channels.supports(layer(8))


def test_gradients_are_those_of_the_processor(cupy) -> None:
    random = np.random.default_rng(5)
    x, w = random.standard_normal((2, 4, 7, 6), "f"), random.standard_normal((6, 2, 3, 3), "f")
    options = {"padding": 1, "groups": 2}
    y = conv(x, w, **options)
    dy = random.standard_normal(y.shape, "f")
    on_device = [cupy.asarray(array) for array in (x, w, dy)]
    for found, expected in [
        (conv(*on_device[:2], **options), y),
        (
            conv_input_gradient(on_device[2], on_device[1], x.shape, **options),
            conv_input_gradient(dy, w, x.shape, **options),
        ),
        (
            conv_weight_gradient(on_device[0], on_device[2], w.shape, **options),
            conv_weight_gradient(x, dy, w.shape, **options),
        ),
    ]:
        assert type(found) is cupy.ndarray
        np.testing.assert_allclose(found.get(), expected, atol=1e-4)


def test_long_sums_with_few_outputs_are_shared_as_far_as_there_is_memory() -> None:
    # The gradient with respect to the kernels of a layer: few outputs, each a sum over the batch.
    gradient = replace(layer(64), in_channels=64 * 64, kernel=(56, 56), batch=64, out=(3, 3))
    count = channels.parts(gradient, None)
    assert count > 1
    weights = gradient.out_channels * gradient.group_channels * gradient.taps * 4
    assert channels.parts(gradient, weights + 2 * gradient.outputs * 4) == 2
    assert channels.parts(gradient, 0) == 1
    assert channels.parts(layer(64), None) < count
    device = gpu("a device")
    assert channels.cost(gradient, device, 0).bytes < channels.cost(gradient, device, None).bytes


@pytest.mark.parametrize("change", [{"dtype": "complex64"}, {"dtype": "object"}])
def test_what_it_cannot_do_is_refused(change) -> None:
    assert channels.supports(layer(8))
    assert not channels.supports(replace(layer(8), **change))


def test_plans_for_a_gpu_sum_over_channels_with_it() -> None:
    device = gpu("a device")
    form = layer(64)
    assert by_name("direct").cost(form, device, None) == channels.cost(form, device, None)


@nvcc.needed
@pytest.mark.parametrize("architecture", ["sm_75", "sm_90"])
@pytest.mark.parametrize(("outputs", "dtype"), [(1, "float32"), (128, "float32"), (64, "float64")])
def test_devices_keep_sums_in_registers(architecture, outputs, dtype, tmp_path) -> None:
    form = layer(outputs, dtype)
    macros = (*types(dtype, dtype, dtype), *channels.macros(form))
    told = nvcc.told("channels", macros, architecture, tmp_path)
    # Beside 64 sums a thread has no room for what it only needs before and after, or once a tap.
    assert int(re.search(r"(\d+) bytes spill stores", told)[1]) <= 192
    tile = channels.tile_of(form)
    assert int(re.search(r"Used (\d+) registers", told)[1]) * 512 <= 65536
    assert 512 % (tile.block[0] * tile.block[1]) == 0
    assert int(re.search(r"(\d+) bytes smem", told)[1]) <= 48 << 10
