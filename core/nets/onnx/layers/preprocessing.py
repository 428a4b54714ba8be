"""Filters that are not learned, and spectra of sound: convolutions with constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.errors import InvalidInput
from core.nets.graph import Node
from core.nets.layer import Weights
from core.nets.layers.filter import FilterSpec, stack_of
from core.nets.layers.log_mel import LogMelSpec, filters_of
from core.nets.layers.stft import FrameSpec, StftSpec, window
from core.nets.onnx.builder import Builder

_LONGEST_FRAME = 4096


def preset_filter(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write a Conv of each channel, and for several filters the magnitude."""
    spec = node.spec
    assert isinstance(spec, FilterSpec)
    channels, *spatial = node.shape
    stack = stack_of(spec.kernel, channels, len(spatial), "float32")
    sides = [side // 2 for side in stack.shape[2:]]
    filtered = builder.add(
        "Conv",
        [*inputs, builder.constant("taps", stack)],
        group=channels,
        pads=[*sides, *sides],
        kernel_shape=list(stack.shape[2:]),
    )
    count = len(stack) // channels
    if count == 1:
        return filtered
    return builder.add("Sqrt", [_power(builder, filtered, (channels, count, *spatial))])


def stft(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write the spectrum of each frame: a Conv with waves."""
    spec = node.spec
    assert isinstance(spec, StftSpec)
    power = _spectrum(builder, node, inputs, spec)
    return power if spec.output == "power" else builder.add("Sqrt", [power])


def log_mel(builder: Builder, node: Node, inputs: Sequence[str], weights: Weights) -> str:
    """Write the spectrum of each frame, its bands, and their logarithm."""
    spec = node.spec
    assert isinstance(spec, LogMelSpec)
    power = _spectrum(builder, node, inputs, spec)
    energy = builder.add("MatMul", [builder.constant("bands", filters_of(spec)), power])
    raised = builder.add("Add", [energy, builder.constant("epsilon", spec.epsilon)])
    return builder.add("Log", [raised])


def _spectrum(builder: Builder, node: Node, inputs: Sequence[str], spec: FrameSpec) -> str:
    if spec.frame > _LONGEST_FRAME:
        raise InvalidInput(
            f"{node.name} has frames so long that its waves would fill the ONNX file",
            field=f"layers.{node.index}.frame",
            given=spec.frame,
            accepted=f"at most {_LONGEST_FRAME}",
        )
    channels, _, frames = node.shape
    waves = _waves(spec)
    moved = builder.add(
        "Conv",
        [*inputs, builder.constant("waves", np.tile(waves, (channels, 1, 1)))],
        group=channels,
        strides=[spec.hop],
        kernel_shape=[spec.frame],
    )
    return _power(builder, moved, (channels, 2, len(waves) // 2, frames))


def _waves(spec: FrameSpec) -> Any:
    """Return cosines and sines under the window, ``(2 * frequencies, 1, frame)``."""
    frequencies = np.arange(spec.frame // 2 + 1)[:, np.newaxis]
    # Whole turns are taken off before, in integers, so that no angle is large.
    turns = (frequencies * np.arange(spec.frame)) % spec.frame / spec.frame
    parts = np.concatenate([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)])
    return (parts * window(spec.window, spec.frame))[:, np.newaxis]


def _power(builder: Builder, x: str, shape: Sequence[int]) -> str:
    """Write the sum of squares along the second axis of an image that is given ``shape``."""
    split = builder.add("Reshape", [x, builder.constant("shape", (0, *shape), "int64")])
    squares = builder.add("Mul", [split, split])
    axis = builder.constant("axis", [2], "int64")
    return builder.add("ReduceSum", [squares, axis], keepdims=0)
