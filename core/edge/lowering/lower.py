"""From a net to the steps that a box takes.

Layers are fused, and tensors lie in buffers. Every kind of layer that a box knows has one function,
by its name in `LOWERED`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.edge.fusion import followers
from core.edge.lowering import linear, pointwise, windows
from core.edge.lowering.state import Lowering, Value, flattened, sides
from core.edge.tensors import Buffer, Step, whole
from core.errors import InvalidInput
from core.nets.graph import INPUT, Node
from core.nets.model import Model

_NOTHING = ("dropout", "identity")


LOWERED: dict[str, Callable[[Lowering, Node, list[Node], list[Value]], Value]] = {
    "conv": linear.conv,
    "conv_transpose": linear.conv_transpose,
    "dense": linear.dense,
    "flatten": lambda plan, node, chain, inputs: flattened(plan, Value(inputs[0].region, True)),
    "max_pool": windows.pool,
    "average_pool": windows.pool,
    "global_max_pool": windows.global_pool,
    "global_average_pool": windows.global_pool,
    "pad": windows.pad,
    "relu": pointwise.nonlinear,
    "leaky_relu": pointwise.nonlinear,
    "elu": pointwise.nonlinear,
    "tanh": pointwise.nonlinear,
    "sigmoid": pointwise.nonlinear,
    "softmax": pointwise.softmax,
    "add": pointwise.add,
    "concatenate": pointwise.concatenate,
    "batch_norm": pointwise.batch_norm,
    "standardize": pointwise.standardize,
    "whiten": pointwise.whiten,
}


def lower(model: Model, lanes: int) -> Lowering:
    """Return the steps of a model.

    Parameters
    ----------
    model : Model
        The net and its weights.
    lanes : int
        Numbers of a vector register of the box.

    Returns
    -------
    Lowering
        Without borders; `with_borders` adds the steps that fill them.

    Raises
    ------
    InvalidInput
        The net has a layer that a box does not know, or weights that are no finite numbers.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "flatten"}, {"layer": "dense", "features": 3}, {"layer": "relu"}]
    >>> spec = NetSpec.model_validate({"input": [1, 2, 2], "layers": layers})
    >>> [step.op for step in lower(Model(spec, Network(spec).init(seed=0)), 4).steps]
    ['input', 'conv']
    """
    if model.nonfinite:
        raise InvalidInput("weights are not finite", field="model", given=list(model.nonfinite))
    nodes = model.network.nodes
    plan = Lowering(lanes, model.weights)
    image = Buffer(sides(model.network.input_shape), model.network.input_shape[0])
    values = {INPUT: plan.step("input", [], whole(image))}
    together = followers(nodes)
    done: set[int] = set()
    for node in nodes:
        if node.index in done:
            continue
        chain = together.get(node.index, [])
        values[node.index] = _lowered(plan, node, chain, [values[s] for s in node.sources], nodes)
        for follower in chain:
            done.add(follower.index)
            values[follower.index] = values[node.index]
    last = values[nodes[-1].index]
    if last.flat or plan.steps[-1].writes != last.region:
        flattened(plan, last)
    return plan


def with_borders(steps: list[Step]) -> list[Step]:
    """Return the steps, and before the first write to a tensor one that clears its border."""
    found: list[Step] = []
    cleared: set[int] = set()
    for step in steps:
        buffer = step.writes.buffer
        if any(buffer.border) and id(buffer) not in cleared:
            cleared.add(id(buffer))
            around = {"around": list(buffer.border)}
            found.append(Step("border", step.layer, [], whole(buffer), around))
        found.append(step)
    return found


def _lowered(
    plan: Lowering, node: Node, chain: list[Node], inputs: list[Value], nodes: Sequence[Node]
) -> Value:
    kind = node.layer.name
    plan.layer = node.name
    if kind in _NOTHING:
        return inputs[0]
    if kind not in LOWERED:
        raise InvalidInput(
            f"a box does not know the layer {kind}",
            field=f"model.layers.{node.index}",
            given=node.name,
            accepted=sorted({*LOWERED, *_NOTHING}),
        )
    if kind == "flatten" and _readers(node, nodes) == {"dense"}:
        # The weights of dense layers are put into the order in which a picture lies.
        return Value(inputs[0].region, flat=True)
    return LOWERED[kind](plan, node, chain, inputs)


def _readers(node: Node, nodes: Sequence[Node]) -> set[str]:
    """Return the kinds of layers that read a layer; what does nothing is read through."""
    found: set[str] = set()
    for other in nodes:
        if node.index in other.sources:
            kind = other.layer.name
            found |= _readers(other, nodes) if kind in _NOTHING else {kind}
    return found
