"""Conv, ConvTranspose and the pools over all their attributes, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper

from core.nets.onnx.windows import extents

AUTO = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@st.composite
def windows(draw: st.DrawFn, *, pool: bool = False) -> dict[str, Any]:
    """Draw spatial sizes, and attributes that fit them."""
    ndim = draw(st.integers(1, 2 if pool else 3))
    sizes = st.lists(st.integers(3, 7), min_size=ndim, max_size=ndim)
    small = st.lists(st.integers(1, 3), min_size=ndim, max_size=ndim)
    spatial, kernel = draw(sizes), draw(small)
    attributes: dict[str, Any] = {"kernel_shape": kernel}
    if draw(st.booleans()):
        attributes["strides"] = draw(small)
    auto = draw(st.sampled_from(AUTO))
    # ONNX Runtime refuses dilation with SAME in Conv, and departs from the standard in pools.
    if not auto.startswith("SAME") and draw(st.booleans()):
        attributes["dilations"] = draw(st.lists(st.integers(1, 2), min_size=ndim, max_size=ndim))
    if auto != "NOTSET":
        attributes["auto_pad"] = auto
    elif draw(st.booleans()):
        # Padding as large as a pool's kernel would give windows without any value.
        most = min(kernel) - 1 if pool else 2
        attributes["pads"] = draw(
            st.lists(st.integers(0, most), min_size=2 * ndim, max_size=2 * ndim)
        )
    spans = extents(kernel, attributes.get("dilations", [1] * ndim))
    assume(all(span <= size for span, size in zip(spans, spatial, strict=True)))
    # A window that skips positions would need less than no padding: ONNX Runtime gives up, or
    # returns less than the standard's input times stride.
    steps = attributes.get("strides", [1] * ndim)
    assume(not auto.startswith("SAME") or all(s <= k for s, k in zip(steps, kernel, strict=True)))
    return {"spatial": spatial, "attributes": attributes}


def normal(shape: Any, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@settings(max_examples=60)
@given(window=windows(), groups=st.integers(1, 2), bias=st.booleans(), batch=st.integers(1, 3))
def test_conv(model: Any, agree: Any, window: Any, groups: int, bias: bool, batch: int) -> None:
    channels, outputs = 2 * groups, 3 * groups
    x = normal((batch, channels, *window["spatial"]), 0)
    constants = {"w": normal((outputs, 2, *window["attributes"]["kernel_shape"]), 1)}
    constants |= {"b": normal(outputs, 2)} if bias else {}
    node = helper.make_node("Conv", ["x", *constants], ["y"], group=groups, **window["attributes"])
    agree(model([node], {"x": x}, constants), {"x": x})


@settings(max_examples=60)
@given(
    window=windows(),
    groups=st.integers(1, 2),
    bias=st.booleans(),
    more=st.integers(0, 1),
    shaped=st.booleans(),
)
def test_conv_transpose(
    model: Any, agree: Any, window: Any, groups: int, bias: bool, more: int, shaped: bool
) -> None:
    attributes, spatial = window["attributes"], window["spatial"]
    ndim = len(spatial)
    assume(ndim < 3)  # ONNX Runtime's own in 3-D is slow to prepare
    strides = attributes.get("strides", [1] * ndim)
    dilations = attributes.get("dilations", [1] * ndim)
    assume(more < min(strides))
    if more:
        attributes["output_padding"] = [more] * ndim
    spans = extents(attributes["kernel_shape"], dilations)
    full = [s * (n - 1) + span + more for s, n, span in zip(strides, spatial, spans, strict=True)]
    if shaped and attributes.get("auto_pad") != "VALID":
        attributes.pop("pads", None)
        attributes["output_shape"] = [n - 1 for n in full]
    pads = attributes.get("pads", [0, 0] * ndim)
    assume(min(n - b - a for n, b, a in zip(full, pads[:ndim], pads[ndim:], strict=True)) > 1)
    x = normal((2, 2 * groups, *spatial), 0)
    constants = {"w": normal((2 * groups, 3, *attributes["kernel_shape"]), 1)}
    constants |= {"b": normal(3 * groups, 2)} if bias else {}
    node = helper.make_node("ConvTranspose", ["x", *constants], ["y"], group=groups, **attributes)
    agree(model([node], {"x": x}, constants), {"x": x})


@settings(max_examples=60)
@given(window=windows(pool=True), up=st.integers(0, 1))
def test_max_pool(model: Any, agree: Any, window: Any, up: int) -> None:
    x = normal((2, 3, *window["spatial"]), 0)
    node = helper.make_node("MaxPool", ["x"], ["y"], ceil_mode=up, **window["attributes"])
    agree(model([node], {"x": x}), {"x": x})


@settings(max_examples=60)
@given(window=windows(pool=True), up=st.integers(0, 1), include=st.integers(0, 1))
def test_average_pool(model: Any, agree: Any, window: Any, up: int, include: int) -> None:
    x = normal((2, 3, *window["spatial"]), 0)
    node = helper.make_node(
        "AveragePool",
        ["x"],
        ["y"],
        ceil_mode=up,
        count_include_pad=include,
        **window["attributes"],
    )
    agree(model([node], {"x": x}), {"x": x})


def test_global_average_pool(model: Callable[..., bytes], agree: Any) -> None:
    x = normal((2, 3, 4, 5), 0)
    agree(model([helper.make_node("GlobalAveragePool", ["x"], ["y"])], {"x": x}), {"x": x})
