"""From a net to the steps that a box takes.

Layers are fused as for predictions on the server (`core.nets.inference.fusion`), and tensors lie in
buffers. Every kind of layer that a box knows has one function, by its name in `LOWERED`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from core.edge.lowering import linear, pointwise, windows
from core.edge.lowering.state import Lowering, Numbers, as_described, sides
from core.edge.tensors import Buffer, Region, Step, whole
from core.errors import InvalidInput
from core.nets.graph import INPUT
from core.nets.inference.fusion import Operation, operations
from core.nets.model import Model

LOWERED: dict[str, Callable[[Lowering, Operation, list[Region]], Region]] = {
    "conv": linear.conv,
    "conv_transpose": linear.conv_transpose,
    "dense": linear.dense,
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


class Lowered(NamedTuple):
    """A net as steps.

    Attributes
    ----------
    steps : list of Step
        In order.
    arrays : list of ndarray
        The weights that they refer to by number.
    result : Region
        What the net returns.
    """

    steps: list[Step]
    arrays: list[Numbers]
    result: Region


def lower(model: Model, lanes: int) -> Lowered:
    """Return the steps of a model.

    Parameters
    ----------
    model : Model
        The net and its weights.
    lanes : int
        Of the widest vectors of the box.

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
    nodes, shape = model.network.nodes, model.network.input_shape
    plan = Lowering(lanes)
    values = {INPUT: plan.step("input", [], whole(Buffer(sides(shape), shape[0])))}
    todo = operations(nodes, model.weights, nodes[-1].index)
    for operation in todo.steps:
        inputs = [values[source] for source in operation.sources]
        values[operation.result] = _lowered(plan, operation, inputs)
    result = as_described(plan, values[todo.output], model.network.output_shape)
    return Lowered(plan.steps, plan.arrays, result)


def _lowered(plan: Lowering, operation: Operation, inputs: list[Region]) -> Region:
    node, kind = operation.node, operation.node.layer.name
    plan.layer = node.name
    if kind not in LOWERED:
        raise InvalidInput(
            f"a box does not know the layer {kind}",
            field=f"model.layers.{node.index}",
            given=node.name,
            accepted=sorted(LOWERED),
        )
    if kind != "dense":
        # The weights of dense layers are put into the order in which a picture lies.
        described = zip(inputs, node.incoming, strict=True)
        inputs = [as_described(plan, x, shape) for x, shape in described]
    return LOWERED[kind](plan, operation, inputs)
