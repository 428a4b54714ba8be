"""A net as a table for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from core.nets.graph import INPUT, Node
from core.nets.layer import Shape

_HEAD = ("layer", "output", "parameters", "multiply-adds", "reads")


def summary(shape: Shape, nodes: Sequence[Node]) -> str:
    """Return a line for the input and each layer, and the sums; for one image.

    ``reads`` is empty where a layer reads the one before.

    Examples
    --------
    >>> from core.nets.graph import build
    >>> from core.nets.spec import NetSpec
    >>> spec = NetSpec.model_validate({"input": [4], "layers": [{"layer": "dense", "features": 3}]})
    >>> print(summary((4,), build(spec)))
    layer   output  parameters  multiply-adds  reads
    input        4           0              0
    dense1       3          15             12
    total                   15             12
    """
    counts = [sum(math.prod(p.shape) for p in node.parameters.values()) for node in nodes]
    names = {INPUT: "input"} | {node.index: node.name for node in nodes}
    rows = [_HEAD, ("input", _sides(shape), "0", "0", "")]
    for node, count in zip(nodes, counts, strict=True):
        chained = node.sources == (node.index - 1,)
        reads = "" if chained else ", ".join(names[source] for source in node.sources)
        rows.append((node.name, _sides(node.shape), f"{count:,}", f"{node.multiply_adds:,}", reads))
    rows.append(("total", "", f"{sum(counts):,}", f"{sum(n.multiply_adds for n in nodes):,}", ""))
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _sides(shape: Shape) -> str:
    return " x ".join(str(side) for side in shape)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *numbers, reads = row
    cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
    return "  ".join([name.ljust(widths[0]), *cells, reads]).rstrip()
