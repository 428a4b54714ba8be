"""From the description of a net to its graph: names, who reads whom, shapes; or what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import InvalidInput
from core.nets.layer import Layer, LayerSpec, Parameter, Shape
from core.nets.layers import LAYERS
from core.nets.spec import NetSpec

INPUT = -1
"""The number of the net's own input where a layer would be counted from 0."""

_INPUT_NAME = "input"
_BY_NAME: dict[str, Layer[Any]] = {layer.name: layer for layer in LAYERS}


@dataclass(frozen=True)
class Node:
    """A layer at its place in a net.

    Attributes
    ----------
    index : int
        Its number, from 0; its output goes by the same number.
    name : str
        Given, or its kind and a number.
    sources : tuple of int
        The numbers of the layers that it reads; `INPUT` for the net's own input.
    incoming : tuple of Shape
        Their shapes.
    learns : bool
        Whether its output depends on parameters, its own or those of layers before.
    wanted : bool
        Whether the outputs that it reads do, so that somebody has a use for their gradients.
    """

    index: int
    name: str
    layer: Layer[Any]
    spec: LayerSpec
    sources: tuple[int, ...]
    incoming: tuple[Shape, ...]
    shape: Shape
    parameters: Mapping[str, Parameter]
    state: Mapping[str, Parameter]
    multiply_adds: int
    learns: bool
    wanted: bool


def build(spec: NetSpec) -> tuple[Node, ...]:
    """Return the graph of a net.

    Raises
    ------
    InvalidInput
        If a name is taken twice or unknown, if nobody reads a layer, or if a layer cannot take
        what comes in; names the layer, the shape that came in, and what it needs.

    Examples
    --------
    >>> from core.nets.spec import NetSpec
    >>> spec = NetSpec.model_validate({"input": [4], "layers": [{"layer": "dense", "features": 3}]})
    >>> [(node.name, node.shape) for node in build(spec)]
    [('dense1', (3,))]
    """
    names = _names(spec.layers)
    nodes: list[Node] = []
    for index in range(len(names)):
        sources = _sources(spec, names, index)
        nodes.append(_node(spec, names[index], index, sources, nodes))
    _check_all_are_read(nodes)
    _check_words(nodes)
    return tuple(nodes)


def needed(nodes: Sequence[Node], output: int) -> list[Node]:
    """Return the nodes that the layer numbered ``output`` depends on, and itself, in order.

    Examples
    --------
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "relu"}, {"layer": "tanh"}, {"layer": "flatten"}]
    >>> nodes = build(NetSpec.model_validate({"input": [4, 4], "layers": layers}))
    >>> [node.name for node in needed(nodes, 1)]
    ['relu1', 'tanh1']
    """
    found = {output}
    for node in reversed(nodes):
        if node.index in found:
            found.update(node.sources)
    return [node for node in nodes if node.index in found]


def _names(layers: Sequence[LayerSpec]) -> list[str]:
    counts: Counter[str] = Counter()
    names: list[str] = []
    for index, spec in enumerate(layers):
        counts[spec.layer] += 1
        name = spec.name or f"{spec.layer}{counts[spec.layer]}"
        if name == _INPUT_NAME or name in names:
            raise InvalidInput(
                f"two layers are called {name}"
                if name in names
                else "this is what the net's own input is called",
                field=f"layers.{index}.name",
                given=name,
                accepted="a name that no other layer has",
            )
        names.append(name)
    return names


def _sources(spec: NetSpec, names: list[str], index: int) -> tuple[int, ...]:
    given = spec.layers[index].inputs
    if given is None:
        return (index - 1,)  # of the first layer, that is the input
    earlier = {_INPUT_NAME: INPUT} | {name: i for i, name in enumerate(names[:index])}
    for name in given:
        if name not in earlier:
            raise InvalidInput(
                f"{names[index]} comes before {name}; a layer reads earlier ones"
                if name in names
                else f"{names[index]} reads {name}, and there is no such layer",
                field=f"layers.{index}.inputs",
                given=name,
                accepted=list(earlier),
            )
    if len(given) > 1 and not _BY_NAME[spec.layers[index].layer].many:
        raise InvalidInput(
            f"{names[index]} takes one input",
            field=f"layers.{index}.inputs",
            given=given,
            accepted="one name; layers that take several are "
            + ", ".join(layer.name for layer in LAYERS if layer.many),
        )
    return tuple(earlier[name] for name in given)


def _node(
    net: NetSpec, name: str, index: int, sources: tuple[int, ...], before: list[Node]
) -> Node:
    spec = net.layers[index]
    layer = _BY_NAME[spec.layer]
    incoming = tuple(
        tuple(net.input) if source == INPUT else before[source].shape for source in sources
    )
    try:
        shape = layer.shape(spec, incoming)
    except InvalidInput as error:
        came = " and ".join(str(shape) for shape in incoming)
        raise InvalidInput(
            f"{name} cannot take the shape {came}: {error.message}",
            field=f"layers.{index}" + (f".{error.field}" if error.field else ""),
            given=error.given,
            accepted=error.accepted,
        ) from error
    parameters = layer.parameters(spec, incoming)
    wanted = any(before[source].learns for source in sources if source != INPUT)
    return Node(
        index=index,
        name=name,
        layer=layer,
        spec=spec,
        sources=sources,
        incoming=incoming,
        shape=shape,
        parameters=parameters,
        state=layer.state(spec, incoming),
        multiply_adds=layer.multiply_adds(spec, incoming),
        learns=bool(parameters) or wanted,
        wanted=wanted,
    )


def _check_all_are_read(nodes: list[Node]) -> None:
    read = {source for node in nodes for source in node.sources}
    for node in nodes[:-1]:
        if node.index not in read:
            raise InvalidInput(
                f"no layer reads {node.name}, and it is not the last",
                field=f"layers.{node.index}",
                given=node.name,
                accepted="a layer whose output leads to the last one",
            )


def _check_words(nodes: list[Node]) -> None:
    readers = [node for node in nodes if INPUT in node.sources]
    takes_words = any(node.layer.words for node in readers)
    for node in nodes:
        if node.layer.words and node.sources != (INPUT,):
            raise InvalidInput(
                f"{node.name} reads words, which only the net's own input has",
                field=f"layers.{node.index}.inputs",
                given=nodes[node.sources[0]].name,
                accepted=_INPUT_NAME,
            )
        if takes_words and INPUT in node.sources and not node.layer.words:
            raise InvalidInput(
                f"{node.name} cannot read the input, whose words are no numbers to compute with",
                field=f"layers.{node.index}.inputs",
                given=_INPUT_NAME,
                accepted="the output of an embedding",
            )
