"""Transposed convolution: against its definition, and what it refuses."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidInput
from core.nets.layers import conv
from core.nets.layers.conv_transpose import LAYER, ConvTransposeSpec


def by_definition(x, w, bias, out, stride, padding, dilation, groups):
    """Add to the output, for each input, a filter that is multiplied by it."""
    channels, per_group, *kernel = w.shape
    y = np.zeros((groups * per_group, *out, x.shape[-1]))
    y += bias.reshape(-1, *(1,) * (x.ndim - 1))
    for c, f in itertools.product(range(channels), range(per_group)):
        target = c // (channels // groups) * per_group + f
        for i, t in itertools.product(np.ndindex(*x.shape[1:-1]), np.ndindex(*kernel)):
            at = tuple(
                a * s + b * d - p
                for a, s, b, d, p in zip(i, stride, t, dilation, padding, strict=True)
            )
            if all(0 <= a < n for a, n in zip(at, out, strict=True)):
                y[(target, *at)] += w[(c, f, *t)] * x[(c, *i)]
    return y


# Per axis: length, kernel, stride, padding, dilation, output_padding.
an_axis = st.tuples(
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 2),
    st.integers(0, 2),
).filter(lambda a: a[5] < a[2] and (a[0] - 1) * a[2] + a[4] * (a[1] - 1) + a[5] >= 2 * a[3])


@settings(max_examples=40)
@given(
    axes=st.lists(an_axis, min_size=1, max_size=3),
    groups=st.integers(1, 2),
    per_group=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    images=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_outputs_and_gradients_are_those_of_the_definition(
    make_case, check_gradients, axes, groups, per_group, images, seed
) -> None:
    spatial, kernel, stride, padding, dilation, extra = map(list, zip(*axes, strict=True))
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    fields = {"filters": groups * per_group[1], "kernel": kernel, **options}
    spec = {"layer": "conv_transpose", "output_padding": extra, **fields}
    case = make_case({"spec": spec, "shapes": [(groups * per_group[0], *spatial)]}, images, seed)
    filters, *out = LAYER.shape(case.spec, case.shapes)
    expected = by_definition(
        case.inputs[0], case.weights["weight"], case.weights["bias"], out, **options
    )
    np.testing.assert_allclose(case.forward(case.inputs, case.weights), expected, atol=1e-10)
    check_gradients(case)
    back = conv.ConvSpec.model_validate({"layer": "conv", **fields})
    assert conv.LAYER.shape(back, [(filters, *out)])[1:] == tuple(spatial)


def test_an_output_of_a_strided_one_hears_of_few_inputs() -> None:
    spec = ConvTransposeSpec(layer="conv_transpose", filters=8, kernel=4, stride=2)
    weight = LAYER.parameters(spec, [(6, 5, 5)])["weight"]
    assert (weight.shape, weight.fan_in, weight.fan_out) == ((6, 8, 4, 4), 24, 128)
    assert LAYER.multiply_adds(spec, [(6, 5, 5)]) == 6 * 25 * 8 * 16


@pytest.mark.parametrize(
    ("fields", "incoming", "message"),
    [
        ({}, (16,), "inputs: needs channels"),
        (
            {"output_padding": 1},
            (1, 9),
            r"output_padding: .*stride \(1,\)'; accepted: at most \(0,",
        ),
        ({"padding": 6}, (1, 9), r"padding: cuts everything off .*nothing is left of \(-1,\)"),
        ({"groups": 2}, (3, 9), "groups: "),
        ({"dilation": [1, 1]}, (1, 9), "dilation: must be one number"),
    ],
)
def test_what_does_not_fit_is_refused(fields, incoming, message) -> None:
    spec = ConvTransposeSpec.model_validate(
        {"layer": "conv_transpose", "filters": 4, "kernel": 3, **fields}
    )
    with pytest.raises(InvalidInput, match=message):
        LAYER.shape(spec, [incoming])
