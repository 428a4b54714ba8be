"""A convolution of batch-last arrays, or the gradient with respect to its input, as one thing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from core.conv.codegen import batch_last_lattice
from core.conv.codegen.batch_last_lattice import Lattice
from core.conv.codegen.target import host
from core.conv.problem import ConvProblem


@dataclass(frozen=True)
class Layer:
    """What is summed over channels and taps, whatever the batch.

    Parameters
    ----------
    lattice : Lattice
        The geometry.
    channels, out_channels : int
        Of a group: those that are read and summed, and those that are written.
    groups : int
        Groups of channels.
    w_channel, w_row : int
        How far the weights of neighbouring channels are apart: of those that are read, and of
        those that are written.
    dtype : str
        Of all arrays.
    """

    lattice: Lattice
    channels: int
    out_channels: int
    groups: int
    w_channel: int
    w_row: int
    dtype: str

    @property
    def w_group(self) -> int:
        """How many weights a group has."""
        return self.channels * self.out_channels * self.lattice.taps


def lanes(dtype: str) -> int:
    """Return how many images a vector holds."""
    return host().lanes(np.dtype(dtype).itemsize)


@lru_cache(maxsize=1024)
def forward(problem: ConvProblem) -> Layer:
    """Return the convolution itself."""
    form = problem.normal
    steps = problem.stride, problem.padding, problem.dilation
    lattice = batch_last_lattice.forward(form.spatial, form.kernel, *steps)
    channels, outputs = form.group_channels, form.out_channels // form.groups
    strides = form.taps, channels * form.taps
    return Layer(lattice, channels, outputs, form.groups, *strides, form.dtype)


@lru_cache(maxsize=1024)
def backward(problem: ConvProblem) -> Layer:
    """Return the gradient with respect to the input: it reads outputs and writes inputs."""
    form = problem.normal
    steps = problem.stride, problem.padding, problem.dilation
    lattice = batch_last_lattice.input_gradient(form.spatial, form.kernel, *steps)
    channels, outputs = form.group_channels, form.out_channels // form.groups
    strides = channels * form.taps, form.taps
    return Layer(lattice, outputs, channels, form.groups, *strides, form.dtype)
