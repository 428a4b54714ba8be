"""docs/models.md against what it describes."""

from __future__ import annotations

import re
from pathlib import Path

from core.nets.onnx import reading, writing
from core.nets.onnx.layers import WRITERS
from core.nets.onnx.operators import OPERATORS

PAGE = (Path(__file__).parents[4] / "docs" / "models.md").read_text(encoding="utf-8")


def test_every_layer_is_listed() -> None:
    table = PAGE.partition("| layer | operators |")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert {name for row in rows for name in re.findall("`([a-z_]+)`", row)} == set(WRITERS)


def test_every_operator_is_listed() -> None:
    (listed,) = re.findall(r"meaning that they had:\n\n(.*?)\.\n", PAGE, re.DOTALL)
    assert re.split(r",\s+", listed) == sorted(OPERATORS)


def test_the_operator_sets_are_those_of_the_code() -> None:
    assert f"operator set {writing.OPSET}:" in PAGE
    assert f"Operator sets {reading.OLDEST_OPSET} to {reading.NEWEST_OPSET} are read" in PAGE
