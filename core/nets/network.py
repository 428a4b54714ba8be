"""A net that can be run and trained: a checked graph, and the passes through it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from core.arrays import Array, array_module
from core.conv import codegen
from core.conv.blocks import Check, never
from core.conv.precision import Precision
from core.errors import InvalidInput
from core.nets.arguments import check_images, check_weights
from core.nets.execute import Moment, backward, forward
from core.nets.graph import Node, build
from core.nets.inference import Prepared, prepare
from core.nets.initial import initial
from core.nets.layer import Parameter, Shape, Weights
from core.nets.losses import loss_of
from core.nets.losses.loss import LossSpec
from core.nets.memory import memory
from core.nets.passing import passing
from core.nets.program.programs import NotFinite, Programs, has_program, suit
from core.nets.segments import Segment, cut, no_program
from core.nets.spec import NetSpec
from core.nets.summary import summary


@dataclass(frozen=True)
class StepResult:
    """What one step of training found.

    Attributes
    ----------
    loss : float or array
        The mean over the images; not finite if something overflowed. An array without axes where
        the arrays are on a device.
    outputs : ndarray, shape (images, *output_shape)
        Of the net, before the step.
    gradients : dict
        Of the loss with respect to each parameter.
    updates : dict
        New values of state, such as running means.
    """

    loss: float | Array
    outputs: Array
    gradients: dict[str, Array]
    updates: dict[str, Array]


class Network:
    """A net, its graph checked and every shape known.

    Parameters
    ----------
    spec : NetSpec
        What it is made of.

    Attributes
    ----------
    spec : NetSpec
        As given.
    nodes : tuple of Node
        The layers, with names, shapes and sources.
    input_shape, output_shape : tuple of int
        Of one image.
    shapes : dict
        The shape of each layer's output, by the layer's name.
    parameters, state : dict
        `Parameter` by name, such as ``conv1.weight``: what is learned; what is kept besides.
    parameter_count, multiply_adds : int
        How many numbers are learned; multiply-adds for one image, forward.

    Raises
    ------
    InvalidInput
        Names the layer, the shape that came in and what it needs.

    Examples
    --------
    >>> from core.nets.losses.cross_entropy import CrossEntropySpec
    >>> layers = [{"layer": "flatten"}, {"layer": "dense", "features": 3}]
    >>> network = Network(NetSpec.model_validate({"input": [1, 2, 2], "layers": layers}))
    >>> network.shapes, sorted(network.parameters)
    ({'flatten1': (4,), 'dense1': (3,)}, ['dense1.bias', 'dense1.weight'])
    >>> weights = network.init(seed=0)
    >>> x = np.ones((5, 1, 2, 2), np.float32)
    >>> network.run(weights, x).shape
    (5, 3)
    >>> loss = CrossEntropySpec(loss="cross_entropy")
    >>> step = network.step(weights, x, np.zeros(5, np.int64), loss, seed=(0, 1))
    >>> sorted(step.gradients)
    ['dense1.bias', 'dense1.weight']
    """

    def __init__(self, spec: NetSpec) -> None:
        self.spec = spec
        self.nodes = build(spec)
        self.input_shape: Shape = tuple(spec.input)
        self.output_shape = self.nodes[-1].shape
        self.shapes = {node.name: node.shape for node in self.nodes}
        self.parameters = _named((node, node.parameters) for node in self.nodes)
        self.state = _named((node, node.state) for node in self.nodes)
        self.multiply_adds = sum(node.multiply_adds for node in self.nodes)
        self.parameter_count = sum(math.prod(p.shape) for p in self.parameters.values())
        self._words = any(node.layer.words for node in self.nodes)
        self._index = {node.name: node.index for node in self.nodes}
        self._cuts: dict[tuple[int, bool, bool], tuple[Segment, ...]] = {}
        self._programs = Programs()

    def init(self, seed: int) -> dict[str, Array]:
        """Return parameters and state as they are before training, float32.

        Examples
        --------
        >>> layers = [{"layer": "dense", "features": 2}]
        >>> network = Network(NetSpec.model_validate({"input": [3], "layers": layers}))
        >>> {name: array.shape for name, array in network.init(seed=0).items()}
        {'dense1.weight': (2, 3), 'dense1.bias': (2,)}
        """
        random = np.random.default_rng(seed)
        arrays = self.parameters | self.state
        return {name: initial(parameter, random) for name, parameter in arrays.items()}

    def run(
        self,
        weights: Weights,
        x: Array,
        *,
        output: str | None = None,
        batch: int = 256,
        precision: Precision = "float32",
        check: Check = never,
    ) -> Array:
        """Return the outputs of the net, or of one of its layers.

        Parameters
        ----------
        weights : mapping
            Parameters and state by name, as from `init`.
        x : array, shape (N, *input_shape)
            Images.
        output : str, optional
            The name of a layer; by default the last.
        batch : int
            How many images are computed at a time; bounds the memory.
        precision : {"float32", "tf32", "bfloat16"}
            What a GPU may multiply in place of float32 numbers in layers that have weights to
            multiply by (`core.conv.precision`).
        check : callable
            Called now and then; what it raises ends the run.

        Returns
        -------
        ndarray, shape (N, *shapes[output])
            In the dtype of the weights.

        Raises
        ------
        InvalidInput
            If a shape or a name is not that of the net.
        """
        check_weights(weights, self.parameters | self.state)
        check_images(x, self.input_shape, words=self._words)
        segments = self._segments(output, training=False)
        moment = self._moment(weights, check=check, precision=precision)
        last = segments[-1].nodes[-1]
        found = array_module(x).empty((len(x), *last.shape), moment.dtype)
        with passing():
            for first in range(0, len(x), batch):
                y, _ = forward(segments, x[first : first + batch], moment)
                found[first : first + batch] = np.moveaxis(y, -1, 0)
        return found

    def prepared(self, weights: Weights, *, output: str | None = None) -> Prepared:
        """Return the net made ready to predict one image after the other, as fast as possible.

        Parameters
        ----------
        weights : mapping
            Parameters and state by name, as from `init`; they are copied.
        output : str, optional
            The name of a layer; by default the last.

        Returns
        -------
        Prepared
            Its ``run(x)`` returns what `run` does, but for rounding.

        Raises
        ------
        InvalidInput
            If a shape or a name is not that of the net.

        Examples
        --------
        >>> layers = [{"layer": "conv", "filters": 2, "kernel": 3}, {"layer": "relu"}]
        >>> network = Network(NetSpec.model_validate({"input": [1, 8, 8], "layers": layers}))
        >>> network.prepared(network.init(seed=0)).run(np.zeros((1, 1, 8, 8), np.float32)).shape
        (1, 2, 6, 6)
        """
        check_weights(weights, self.parameters | self.state)
        number = self._number(output)
        dtype = self._moment(weights).dtype
        return prepare(self.nodes, weights, number, self.input_shape, dtype)

    def step(
        self,
        weights: Weights,
        x: Array,
        y: Array,
        loss: LossSpec,
        *,
        seed: tuple[int, ...],
        counter: Array | None = None,
        scale: Array | None = None,
        precision: Precision = "float32",
    ) -> StepResult:
        """Return the loss of a batch and its gradients.

        Parameters
        ----------
        weights : mapping
            Parameters and state by name, as from `init`; not written to.
        x : array, shape (N, *input_shape)
            Images.
        y : array
            What the loss compares the outputs with: labels ``(N,)`` or targets ``(N, ...)``.
        loss : LossSpec
            Which loss.
        seed : tuple of int
            Where dropout's random numbers start; another one for each step.
        counter : array, optional
            The number of the step, int64 without axes, on the device: then dropout is drawn there
            and ``seed`` stays the same.
        scale : array, optional
            Compute in mixed precision (`core.nets.mixed`), and give the gradients times this, a
            number without axes on the device.
        precision : {"float32", "tf32", "bfloat16"}
            As in `run`; of both gradients, too.

        Returns
        -------
        StepResult
            The same bits for the same arguments, whatever the number of cores. Of arrays on a
            device the loss is one, too, and within `core.conv.capturable.capturable` the host
            reads nothing of them.

        Raises
        ------
        InvalidInput
            If a shape or a name is not that of the net, or targets do not suit the loss.
        """
        check_weights(weights, self.parameters | self.state)
        check_images(x, self.input_shape, words=self._words)
        moment = self._moment(
            weights,
            training=True,
            seed=seed,
            counter=counter,
            mixed=scale is not None,
            precision=precision,
        )
        with passing():
            if suit(x, moment.dtype):
                segments = self._segments(None, training=True, programs=True)
                with self._programs.lock, suppress(NotFinite):
                    return self._step(segments, x, y, loss, moment, None)
            return self._step(self._segments(None, training=True), x, y, loss, moment, scale)

    def _step(
        self,
        segments: tuple[Segment, ...],
        x: Array,
        y: Array,
        loss: LossSpec,
        moment: Moment,
        scale: Array | None,
    ) -> StepResult:
        outputs, trace = forward(segments, x, moment)
        outputs = outputs.astype(moment.dtype, copy=False)
        value, dy = loss_of(loss).value(loss, outputs, y)
        if scale is not None:
            dy *= scale
        gradients = backward(segments, dy, trace)
        return StepResult(value, np.moveaxis(outputs, -1, 0), gradients, trace.updates)

    def memory(self, batch: int, *, training: bool) -> int:
        """Return how many bytes a pass needs at its peak, within a factor of 2 (from 16 images on).

        Parameters
        ----------
        batch : int
            Images at a time, which are not counted themselves.
        training : bool
            Whether gradients are computed; the state of the optimiser is not counted.

        Examples
        --------
        >>> layers = [{"layer": "dense", "features": 1000}]
        >>> network = Network(NetSpec.model_validate({"input": [1000], "layers": layers}))
        >>> network.memory(1, training=False) // 10**6
        4
        >>> network.memory(1, training=True) >= 8 * 10**6  # and gradients, for each core
        True
        """
        programs = training and codegen.available()
        segments = self._segments(None, training=training, programs=programs)
        return memory(segments, batch, training=training)

    def summary(self) -> str:
        """Return a table of the layers: shapes, parameters, multiply-adds.

        Examples
        --------
        >>> layers = [{"layer": "dense", "features": 10}]
        >>> print(Network(NetSpec.model_validate({"input": [5], "layers": layers})).summary())
        layer   output  parameters  multiply-adds  reads
        input        5           0              0
        dense1      10          60             50
        total                   60             50
        """
        return summary(self.input_shape, self.nodes)

    def _segments(
        self, output: str | None, *, training: bool, programs: bool = False
    ) -> tuple[Segment, ...]:
        key = (self._number(output), training, programs)
        if key not in self._cuts:
            found = has_program if programs else no_program
            self._cuts[key] = cut(self.nodes, key[0], training=training, has_program=found)
        return self._cuts[key]

    def _number(self, output: str | None) -> int:
        if output is None:
            return len(self.nodes) - 1
        if output not in self._index:
            raise InvalidInput(
                "there is no such layer", field="output", given=output, accepted=list(self._index)
            )
        return self._index[output]

    def _moment(
        self,
        weights: Weights,
        *,
        training: bool = False,
        seed: tuple[int, ...] = (),
        check: Check = never,
        counter: Array | None = None,
        mixed: bool = False,
        precision: Precision = "float32",
    ) -> Moment:
        return Moment(
            parameters=[_of(node, node.parameters, weights) for node in self.nodes],
            state=[_of(node, node.state, weights) for node in self.nodes],
            dtype=_dtype_of(weights),
            words=self._words,
            training=training,
            seed=seed,
            check=check,
            programs=self._programs,
            counter=counter,
            mixed=mixed,
            precision=precision,
        )


def _named(arrays: Iterable[tuple[Node, Mapping[str, Parameter]]]) -> dict[str, Parameter]:
    return {f"{node.name}.{name}": p for node, found in arrays for name, p in found.items()}


def _dtype_of(weights: Weights) -> np.dtype[np.floating]:
    dtypes = [array.dtype for array in weights.values()]
    return np.result_type(*dtypes) if dtypes else np.dtype(np.float32)


def _of(node: Node, names: Iterable[str], weights: Weights) -> dict[str, Array]:
    return {name: weights[f"{node.name}.{name}"] for name in names}
