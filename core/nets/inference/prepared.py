"""A net that is ready for one image: nothing is decided, packed or allocated any more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from core.arrays import Array
from core.conv import codegen
from core.conv.blocks import Check, never
from core.conv.codegen.memory import LINE_BYTES
from core.nets.arguments import check_images
from core.nets.graph import INPUT, Node
from core.nets.inference.forward import Step, Values, forward_of
from core.nets.inference.fusion import Operation, operations
from core.nets.inference.memory import Kept, Place, zeros
from core.nets.inference.planning import Plan, plan
from core.nets.layer import Shape, Weights
from core.nets.passing import passing

_DTYPES = ("float32", "float64")
# Channels are filled up to whole vectors, which of large images with few channels is a lot. Their
# layers take so long that it makes no difference who calls them.
_MOST_BYTES = 256 << 20


@dataclass(frozen=True)
class Wanted:
    """What goes in and what comes out, of one image.

    Attributes
    ----------
    input, output : tuple of int
        Shapes.
    number : int
        Of the value that is returned.
    words : bool
        Whether the input are words.
    dtype : dtype
        Of what is computed.
    """

    input: Shape
    output: Shape
    number: int
    words: bool
    dtype: np.dtype[Any]


Surroundings: TypeAlias = Callable[[], AbstractContextManager[object]]


class Prepared:
    """A net for predictions of one image at a time; made by `core.nets.network.Network.prepared`.

    It holds its weights a second time, in the order in which kernels read them. Several threads may
    use it; they wait for each other.
    """

    def __init__(
        self,
        wanted: Wanted,
        steps: Sequence[Step],
        result: Place | None,
        kept: Kept,
        surroundings: Surroundings,
    ) -> None:
        self._wanted = wanted
        self._steps = steps
        self._kept = kept
        self._surroundings = surroundings
        self._result = None if result is None else result.view
        self._turn = threading.Lock()

    def run(self, x: Array, *, check: Check = never) -> Array:
        """Return the outputs of the net, image by image.

        Parameters
        ----------
        x : array, shape (N, *input_shape)
            Images.
        check : callable
            Called before each image; what it raises ends the run.

        Returns
        -------
        ndarray, shape (N, *output_shape)
            In the dtype of the weights; what `core.nets.network.Network.run` returns, but for
            rounding.

        Raises
        ------
        InvalidInput
            If the shape is not that of the net.
        """
        wanted = self._wanted
        check_images(x, wanted.input, words=wanted.words)
        if not wanted.words and x.dtype != wanted.dtype:
            with np.errstate(over="ignore"):
                x = x.astype(wanted.dtype)
        found = np.empty((len(x), *wanted.output), wanted.dtype)
        with self._turn, self._surroundings():
            for image, y in zip(x, found, strict=True):
                check()
                values = {INPUT: image[..., np.newaxis]}
                for step in self._steps:
                    step(values)
                y[...] = self._output(values)
        return found

    def _output(self, values: Values) -> Array:
        found = values[self._wanted.number] if self._result is None else self._result
        return found.reshape(self._wanted.output)


def prepare(
    nodes: Sequence[Node], weights: Weights, output: int, shape: Shape, dtype: np.dtype[Any]
) -> Prepared:
    """Return a net that computes the layer numbered ``output`` for images of ``shape``.

    Parameters
    ----------
    nodes : sequence of Node
        The net.
    weights : mapping
        Parameters and state by name, in NumPy's arrays; they are copied.
    output : int
        The number of a layer.
    shape : tuple of int
        Of an image.
    dtype : dtype
        Of what is computed.
    """
    todo = operations(nodes, weights, output)
    words = any(node.layer.words for node in nodes)
    wanted = Wanted(shape, nodes[output].shape, todo.output, words, dtype)
    kept = Kept(dtype.name, [])
    if not codegen.available() or dtype.name not in _DTYPES:
        own = [forward_of(step, weights, {}) for step in todo.steps]
        return Prepared(wanted, own, None, kept, _surroundings(todo.steps))
    # Only here, because they import llvmlite.
    from core.conv.codegen.target import host
    from core.nets.inference.kernels import FAMILIES
    from core.nets.inference.steps import steps_of

    lanes = host().lanes(dtype.itemsize)
    planned = plan(todo.steps, todo.output, shape, FAMILIES, lanes)
    if sum(_sizes(planned).values()) * dtype.itemsize > _MOST_BYTES:
        planned = plan(todo.steps, todo.output, shape, {}, lanes)
    places = _places(planned, kept)
    steps = steps_of(todo.steps, weights, planned, places, kept)
    rest = [step for step in todo.steps if step.result not in planned.families]
    result = places[todo.output] if todo.output in planned.families else None
    return Prepared(wanted, steps, result, kept, _surroundings(rest))


def _surroundings(forwards: Sequence[Operation]) -> Surroundings:
    """Return what layers need that compute by themselves."""
    if any(node.multiply_adds for one in forwards for node in one.nodes):
        return passing
    # To keep the BLAS to one thread takes as long as a small net, and here nobody asks it.
    return _silently if forwards else nullcontext


def _silently() -> AbstractContextManager[object]:
    return np.errstate(all="ignore")


def _sizes(planned: Plan) -> dict[int, int]:
    return {slot: planned.layouts[value].size for value, slot in planned.slots.items()}


def _places(planned: Plan, kept: Kept) -> dict[int, Place]:
    """Return where values lie in one arena, each slot on a cache line."""
    sizes = _sizes(planned)
    line = LINE_BYTES // np.dtype(kept.dtype).itemsize
    starts, total = {}, 0
    for slot, size in sizes.items():
        starts[slot] = total
        total += size + -size % line
    arena = zeros(total, kept.dtype)
    kept.arrays.append(arena)
    return {
        value: Place(planned.layouts[value], arena[starts[slot] : starts[slot] + sizes[slot]])
        for value, slot in planned.slots.items()
    }
