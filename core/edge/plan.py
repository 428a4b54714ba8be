"""The plan of a net for one board: steps, where tensors lie, how weights are ordered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.edge.fusion import Numbers
from core.edge.lowering import lower, with_borders
from core.edge.runtime.steps import scratch_of
from core.edge.tensors import Step, arranged
from core.edge.tiles import best_tile
from core.nets.model import Model

_GRAIN = 16


@dataclass(frozen=True)
class Vectors:
    """The vector registers that a plan is made for."""

    lanes: int
    registers: int


@dataclass(frozen=True, eq=False)
class Plan:
    """What a box does for one image.

    Attributes
    ----------
    steps : list of dict
        As `core.edge.runtime.steps` takes them.
    arrays : list of ndarray
        The weights, by number.
    places : list of dict
        Where machine code finds each of them, see `core.edge.runtime.weights.packed`.
    arena, packed : int
        Numbers of float32 for tensors and for packed weights.
    multiply_adds : list of int
        Of each step.
    """

    steps: list[dict[str, Any]]
    arrays: list[Numbers]
    places: list[dict[str, Any]]
    arena: int
    packed: int
    multiply_adds: list[int]


def plan(model: Model, vectors: Vectors) -> Plan:
    """Return the plan of a model.

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
    >>> found = plan(Model(spec, Network(spec).init(seed=0)), Vectors(4, 16))
    >>> [step["op"] for step in found.steps], found.multiply_adds
    (['input', 'conv'], [0, 12])
    """
    lowered = lower(model, vectors.lanes)
    steps = with_borders(lowered.steps)
    buffers, arena = arranged(steps, vectors.lanes)
    documents = [_document(step, buffers, vectors) for step in steps]
    widths = {d["weight"]: d["tile"][1] * vectors.lanes for d in documents if d["op"] == "conv"}
    places, packed = _places(lowered.arrays, widths, vectors.lanes)
    # The last vector of a tensor may reach beyond it.
    room = arena + vectors.lanes
    return Plan(documents, lowered.arrays, places, room, packed, [s.multiply_adds for s in steps])


def _document(step: Step, buffers: dict[int, int], vectors: Vectors) -> dict[str, Any]:
    found: dict[str, Any] = {"op": step.op, "layer": step.layer} | step.fields
    regions = [region.document(buffers[id(region.buffer)]) for region in step.reads]
    found["y"] = step.writes.document(buffers[id(step.writes.buffer)])
    if step.op == "add":
        found["xs"] = regions
    elif regions:
        found["x"] = regions[0]
    if step.op == "conv":
        outputs, _, columns = step.writes.shape
        tile = best_tile(columns, outputs, vectors.lanes, vectors.registers)
        found["tile"] = [tile.pixels, tile.vectors]
        # Whole vectors may be written where nothing else follows in the pixel.
        found["whole"] = outputs % vectors.lanes == 0 or outputs == step.writes.buffer.shape[0]
    found["scratch"] = scratch_of(found)
    return found


def _places(
    arrays: list[Numbers], widths: dict[int, int], lanes: int
) -> tuple[list[dict[str, Any]], int]:
    # The first ones are zeros, see `core.edge.codegen.writing.Writing.zero`.
    places, at = [], _GRAIN
    for number, array in enumerate(arrays):
        place = {"at": at}
        columns = -(-array.shape[-1] // lanes) * lanes
        if array.ndim > 1:
            place |= {"width": widths[number], "lanes": lanes}
        places.append(place)
        rows = array.shape[0] if array.ndim > 1 else 1
        at += -(-rows * columns // _GRAIN) * _GRAIN
    return places, at
