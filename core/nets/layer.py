"""What a layer of a net is: a Spec, a shape, parameters, and forward beside its gradient.

Arrays lie *batch-last*: ``(channels, *spatial, images)`` for pictures and sound, ``(features,
images)`` for vectors. So whatever happens per image happens to whole vectors of images at once,
strides and widths of pictures make no difference to it, and a product with a matrix of weights
needs no transposition.

A layer is one file that ends with ``LAYER = Layer(...)``, and one line in
`core.nets.layers.LAYERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from core.arrays import Array
from core.conv.precision import Precision

Shape: TypeAlias = tuple[int, ...]
"""The shape of one image: ``(channels, *spatial)`` or ``(features,)``, without the batch."""

Weights: TypeAlias = Mapping[str, Array]
"""Arrays by name: in a layer ``weight``, in a net ``conv1.weight``."""

Backward: TypeAlias = Callable[[Array], tuple[tuple[Array | None, ...], dict[str, Array]]]
"""``(dy) -> (gradients of the inputs, gradients of the parameters)``.

The gradient of an input is None where it is not wanted (`Context.wanted`) or where the input is no
number that could be changed (the words of an embedding).
"""

Pieces: TypeAlias = list[Array]
"""An array of all images, cut along its last axis: its groups, in order."""

PiecesBackward: TypeAlias = Callable[[Pieces], tuple[tuple[Pieces | None, ...], dict[str, Array]]]
"""`Backward` where arrays of all images are in pieces; what comes out is cut as what comes in."""

Name = Field(
    default=None,
    pattern=r"^[a-z][a-z0-9_-]{0,63}$",
    description="To refer to the layer; by default its kind and a number, such as conv2.",
)
Inputs = Field(
    default=None,
    min_length=1,
    max_length=16,
    description="Names of the layers whose outputs come in, or input for the net's own input; "
    "by default the layer before.",
)


class LayerSpec(BaseModel):
    """Base of the description of every layer."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    layer: str
    name: str | None = Name
    inputs: list[str] | None = Inputs


SpecT = TypeVar("SpecT", bound=LayerSpec)


@dataclass(frozen=True)
class Parameter:
    """An array that a layer learns or keeps.

    Attributes
    ----------
    shape : tuple of int
        Its shape.
    init : {"zeros", "ones", "he", "glorot", "normal"}
        Where it starts. ``he`` is a normal distribution of variance ``2 / fan_in`` (K. He et al.,
        "Delving deep into rectifiers", 2015), ``glorot`` a uniform one within
        ``sqrt(6 / (fan_in + fan_out))`` (X. Glorot and Y. Bengio, "Understanding the difficulty
        of training deep feedforward neural networks", 2010), ``normal`` has a deviation of 0.1.
    fan_in, fan_out : int
        How many numbers one output depends on, and on how many outputs one input acts.
    decays : bool
        Whether weight decay acts on it; not on biases and scales.
    """

    shape: Shape
    init: Literal["zeros", "ones", "he", "glorot", "normal"] = "zeros"
    fan_in: int = 1
    fan_out: int = 1
    decays: bool = False


@dataclass
class Context:
    """What a layer knows of the moment besides its inputs.

    Attributes
    ----------
    training : bool
        Dropout and batch norm do something else then.
    seed : tuple of int
        For this layer, step and group of images: the same again if the step is repeated.
    state : mapping
        What the layer keeps besides its parameters, such as running means.
    updates : dict
        What the layer writes there when it trains.
    wanted : bool
        Whether the gradient of the layer's inputs is of use to anybody.
    counter : array, optional
        The number of the step where that is in a device's memory only: what is drawn by chance
        follows from it and from ``seed``, which then is the same in every step.
    precision : {"float32", "tf32", "bfloat16"}
        What a GPU may multiply in place of float32 numbers where the layer sums products with
        its weights (`core.conv.precision`).
    """

    training: bool = False
    seed: tuple[int, ...] = (0,)
    state: Weights = field(default_factory=dict)
    updates: dict[str, Array] = field(default_factory=dict)
    wanted: bool = True
    counter: Array | None = None
    precision: Precision = "float32"

    @cached_property
    def random(self) -> np.random.Generator:
        """Random numbers for this call; made when first asked for, since few layers draw any."""
        return np.random.default_rng(self.seed)


def nothing(spec: Any, shapes: Sequence[Shape]) -> dict[str, Parameter]:
    """Return no parameters: of a layer that has none."""
    return {}


def free(spec: Any, shapes: Sequence[Shape]) -> int:
    """Return no multiply-adds: of a layer whose work is not worth counting."""
    return 0


@dataclass(frozen=True)
class Layer(Generic[SpecT]):
    """A kind of layer; one file ends with one of these.

    Attributes
    ----------
    name : str
        The value of ``layer`` in its description.
    spec : type
        The pydantic model of the description.
    shape : callable
        ``(spec, shapes of the inputs) -> shape of the output``; raises `core.errors.InvalidInput`
        that names the field at fault, the shape that came in and what is needed.
    forward : callable
        ``(spec, inputs, weights, context) -> (output, backward)``. The output has the dtype of
        the inputs; neither inputs nor ``dy`` are written to, and an output may be a view of an
        input.
    parameters : callable
        ``(spec, shapes) -> parameters by name``.
    state : callable
        ``(spec, shapes) -> what is kept besides, by name``.
    multiply_adds : callable
        ``(spec, shapes) -> int``, for one image.
    many : bool
        Whether it takes more than one input.
    whole_batch : bool
        Whether it must see all images of a step at once (batch norm), or is much faster then (a
        dense layer); the others see them in groups that fit a core's cache.
    forward_pieces : callable, optional
        ``forward`` for inputs in pieces, of a layer that must see all images when it trains, but
        need not have them in one array. Outside of training it works image by image.
    words : bool
        Whether it reads numbers of words: integers, from the net's input only.
    half : bool
        Whether float16 is enough to store what it reads and returns (`core.nets.mixed`).
    """

    name: str
    spec: type[SpecT]
    shape: Callable[[SpecT, Sequence[Shape]], Shape]
    forward: Callable[[SpecT, Sequence[Array], Weights, Context], tuple[Array, Backward]]
    parameters: Callable[[SpecT, Sequence[Shape]], dict[str, Parameter]] = nothing
    state: Callable[[SpecT, Sequence[Shape]], dict[str, Parameter]] = nothing
    multiply_adds: Callable[[SpecT, Sequence[Shape]], int] = free
    many: bool = False
    whole_batch: bool = False
    forward_pieces: (
        Callable[[SpecT, Sequence[Pieces], Weights, Context], tuple[Pieces, PiecesBackward]] | None
    ) = None
    words: bool = False
    half: bool = False
