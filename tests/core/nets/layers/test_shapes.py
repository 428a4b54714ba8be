"""Layers that move values and change none: flatten, reshape, pad, identity."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import InvalidInput
from core.nets.layers import LAYERS

BY_NAME = {layer.name: layer for layer in LAYERS}


def test_flatten_reads_each_image_in_its_own_order(make_case) -> None:
    case = make_case({"spec": {"layer": "flatten"}, "shapes": [(2, 3, 4)]}, 5, 0)
    images_first = np.moveaxis(case.inputs[0], -1, 0)
    np.testing.assert_array_equal(case.forward(case.inputs, {}).T, images_first.reshape(5, -1))


def test_reshape_reads_each_image_in_its_own_order(make_case) -> None:
    example = {"spec": {"layer": "reshape", "to": [4, -1, 2]}, "shapes": [(2, 3, 4)]}
    case = make_case(example, 5, 0)
    images_first = np.moveaxis(case.inputs[0], -1, 0)
    found = np.moveaxis(case.forward(case.inputs, {}), -1, 0)
    np.testing.assert_array_equal(found, images_first.reshape(5, 4, 3, 2))


@pytest.mark.parametrize("to", [[5, -1], [-1, -1], [2, 3], [0, -1], [25]])
def test_reshape_refuses_what_does_not_hold_the_values(to) -> None:
    layer = BY_NAME["reshape"]
    spec = layer.spec(layer="reshape", to=to)
    with pytest.raises(InvalidInput, match=r"to: .*shape \(2, 3, 4\)'; accepted: .*product 24"):
        layer.shape(spec, [(2, 3, 4)])


def test_pad_is_numpys(make_case) -> None:
    spec = {"layer": "pad", "before": [1, 0], "after": [2, 3], "value": -1.5}
    case = make_case({"spec": spec, "shapes": [(2, 3, 4)]}, 2, 0)
    expected = np.pad(case.inputs[0], [(0, 0), (1, 2), (0, 3), (0, 0)], constant_values=-1.5)
    np.testing.assert_array_equal(case.forward(case.inputs, {}), expected)


def test_pad_refuses_other_axes_and_what_is_no_width() -> None:
    layer = BY_NAME["pad"]
    with pytest.raises(InvalidInput, match="after: must be one number, or one per"):
        layer.shape(layer.spec(layer="pad", after=[1, 1]), [(2, 9)])
    for fields in ({"before": -1}, {"value": float("nan")}):
        with pytest.raises(ValidationError):
            layer.spec.model_validate({"layer": "pad", **fields})
