"""docs/nets.md against the registries that it lists."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import numpy as np
import pytest
from pydantic_core import PydanticUndefined

from core.nets.architectures import ARCHITECTURES
from core.nets.augment import AUGMENTS
from core.nets.layer import Context
from core.nets.layers import LAYERS
from core.nets.losses import LOSSES
from core.nets.network import Network
from core.nets.optimisers import OPTIMISERS
from core.nets.schedules import SCHEDULES
from core.nets.spec import NetSpec

PAGE = (Path(__file__).parents[3] / "docs" / "nets.md").read_text()
REGISTRIES = {
    "layer": LAYERS,
    "loss": LOSSES,
    "optimiser": OPTIMISERS,
    "schedule": SCHEDULES,
    "augment": AUGMENTS,
    "architecture": ARCHITECTURES,
}
IN_EVERY_LAYER = {"name", "inputs"}


def field(name: str, default: object) -> str:
    if default is PydanticUndefined:
        return f"`{name}`"
    if default is None:
        return f"`{name}` (optional)"
    return f"`{name}` = {json.dumps(default)}"


def row(kind: str, entry) -> str:
    """Return the line of a table: the name, what it is, its fields."""
    fields = [
        field(name, info.default)
        for name, info in entry.spec.model_fields.items()
        if name not in {kind, *IN_EVERY_LAYER}
    ]
    what = " ".join(inspect.getdoc(entry.spec).split("\n\n")[0].split()).replace("``", "`")
    return f"| `{entry.name}` | {what} | {', '.join(fields)} |"


@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_page_lists_what_there_is(kind) -> None:
    rows = [row(kind, entry) for entry in REGISTRIES[kind]]
    table = "\n".join([f"| {kind} | what it does | fields |", "|---|---|---|", *rows])
    assert f"\n\n{table}\n\n" in f"{PAGE}\n", f"the page should have:\n\n{table}\n"


def test_the_example_is_a_net() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    network = Network(NetSpec.model_validate(json.loads(example)))
    assert network.output_shape == (10,)


def test_the_layer_of_the_page_keeps_what_layers_promise() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found: dict = {}
    exec(compile(source, "nets.md", "exec", dont_inherit=True), found)
    layer, x = found["LAYER"], np.array([[3.0]])
    y, backward = layer.forward(layer.spec(layer="square"), [x], {}, Context())
    assert (y.item(), backward(np.array([[5.0]]))[0][0].item()) == (9, 30)
