"""Layers of whole numbers, which kernels that sum over channels convolve exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st

from core.conv.algorithms.direct import numpy_run
from core.conv.blocks import never
from core.conv.problem import multi_channel_problem


def layers(largest: int):
    """Draw layers of ``largest`` numbers a side at most, and in how many parts they are summed."""
    return st.fixed_dictionaries(
        {
            "batch": st.integers(1, 2),
            "groups": st.integers(1, 2),
            "inputs": st.sampled_from([1, 3, 8, 11, 16]),
            "side": st.integers(3, largest),
            "stride": st.integers(1, 3),
            "padding": st.integers(2, 4),
            "dilation": st.integers(1, 3),
            "parts": st.sampled_from([1, 3]),
            "seed": st.integers(0, 99),
        }
    )


def assert_exact(cupy, kernels, layer, taps, outputs, *, stored, dtype, precision="float32"):
    """Let a module convolve whole numbers, every other one of an array, into no other result."""
    random = np.random.default_rng(layer["seed"])
    inputs, groups, dilation = layer["inputs"], layer["groups"], layer["dilation"]
    sides = (2 * layer["side"],) * len(taps)
    whole = random.integers(0, 9, (layer["batch"], groups * inputs, *sides)).astype(stored)
    x = whole[..., ::2]
    w = random.integers(-9, 9, (groups * outputs, inputs, *taps)).astype(dtype)
    form = multi_channel_problem(
        x.shape, w.shape, dtype, dtype, stride=layer["stride"],
        padding=layer["padding"] * dilation, dilation=dilation, groups=groups,
    ).normal  # fmt: skip
    form = replace(form, precision=precision)
    y, expected = cupy.full(form.out_shape, np.nan, dtype), np.empty(form.out_shape, dtype)
    with pytest.MonkeyPatch.context() as patch:
        # Sums in parts come to the same.
        patch.setattr(kernels, "parts", lambda form, cap: layer["parts"])
        on_device = cupy.asarray(whole)[..., ::2]
        kernels.run(form, on_device, cupy.asarray(w), y, check=never, memory_cap=None)
    numpy_run(form, x, w, expected, never)
    np.testing.assert_array_equal(y.get(), expected)
