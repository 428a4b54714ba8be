"""Kernels of batch-last arrays: they compile for other processors, and keep sums in registers."""

import re

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from core.conv.codegen import (
    batch_last_products,
    batch_last_sums,
    batch_last_winograd,
    batch_last_winograd_weights,
)
from core.conv.codegen.batch_last_lattice import forward, input_gradient
from core.conv.codegen.batch_last_tile import Tile, tiles
from core.conv.codegen.library import assembly, compile_object
from core.conv.codegen.target import named


@pytest.mark.parametrize("cpu_name", ["cortex-a78", "x86-64-v3", "x86-64-v4"])
def test_kernels_compile_for_other_processors(cpu_name: str) -> None:
    target = named(cpu_name)
    tile = Tile("float32", target.lanes(4), 4, 2)
    for text in (
        batch_last_sums.source(tile, target),
        batch_last_products.source(tile, target),
        batch_last_winograd.source(tile, 3, target),
        batch_last_winograd_weights.source(tile, 5, 4, target),
    ):
        assert len(compile_object(text, target)) > 500


def test_sums_stay_in_registers() -> None:
    target = named("x86-64-v4")
    for tile in tiles("float32", target):
        blocks = re.split(
            r"^\.L\w+:", assembly(batch_last_sums.source(tile, target), target), flags=re.M
        )
        # A loop ends with its jump; what follows belongs to the loop around it.
        loops = [block.partition("\tj")[0] for block in blocks]
        inner = [loop for loop in loops if loop.count("vfmadd") >= tile.panel * tile.vectors]
        assert inner, tile
        lines = inner[-1].splitlines()
        assert not [line for line in lines if "zmm" in line and "(%rsp)" in line], tile


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("padding", [0, 1, 4])
def test_the_gradient_has_the_products_of_the_convolution(stride, dilation, padding) -> None:
    """Each product of an input with a weight is counted from either side."""
    options = (stride, stride), (padding, padding), (dilation, dilation)
    shape, kernel = (11, 8), (3, 2)
    there, back = (f(shape, kernel, *options) for f in (forward, input_gradient))
    assert (there.sources, there.targets) == (back.targets, back.sources)
    pairs = 0
    for i in np.ndindex(*there.targets):
        for t in np.ndindex(*kernel):
            at = [stride * a + dilation * b - padding for a, b in zip(i, t, strict=True)]
            pairs += all(0 <= a < n for a, n in zip(at, shape, strict=True))
    assert there.products == back.products == pairs
