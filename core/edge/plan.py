"""The plan of a net for one board: steps, and where tensors lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.edge.lowering import lower
from core.edge.lowering.state import Numbers
from core.edge.runtime.steps import scratch_of
from core.edge.tensors import Step, arranged
from core.nets.model import Model


@dataclass(frozen=True, eq=False)
class Plan:
    """What a box does for one image.

    Attributes
    ----------
    steps : list of dict
        As `core.edge.runtime.steps` takes them.
    result : dict
        Where in the arena the outcome is.
    arrays : list of ndarray
        The weights, by number.
    arena : int
        Numbers of float32 for tensors.
    multiply_adds : list of int
        Of each step.
    """

    steps: list[dict[str, Any]]
    result: dict[str, Any]
    arrays: list[Numbers]
    arena: int
    multiply_adds: list[int]


def plan(model: Model, lanes: int) -> Plan:
    """Return the plan of a model.

    Parameters
    ----------
    model : Model
        The net and its weights.
    lanes : int
        Numbers of the widest vector register that will be used.

    Raises
    ------
    InvalidInput
        The net has a layer that a box does not know.

    Examples
    --------
    >>> from core.nets.network import Network
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "flatten"}, {"layer": "dense", "features": 3}]
    >>> spec = NetSpec.model_validate({"input": [1, 2, 2], "layers": layers})
    >>> found = plan(Model(spec, Network(spec).init(seed=0)), 4)
    >>> [step["op"] for step in found.steps], found.multiply_adds
    (['input', 'conv'], [0, 12])
    """
    steps, arrays, result = lower(model, lanes)
    places, arena = arranged(steps, result, lanes)
    documents = [_document(step, places) for step in steps]
    outcome = result.document(places[id(result.buffer)])
    return Plan(documents, outcome, arrays, arena, [step.multiply_adds for step in steps])


def _document(step: Step, places: dict[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {"op": step.op, "layer": step.layer} | step.fields
    regions = [region.document(places[id(region.buffer)]) for region in step.reads]
    found["y"] = step.writes.document(places[id(step.writes.buffer)])
    found["framed"] = step.writes.is_framed
    if step.op == "add":
        found["xs"] = regions
    elif regions:
        found["x"] = regions[0]
    found["scratch"] = scratch_of(found)
    return found
