"""The largest value or the mean of each window; lanes are channels."""

from __future__ import annotations

from core.conv.codegen.emit import Emitter, Value
from core.edge.codegen.writing import Document, Writing


def pool(writing: Writing, step: Document) -> None:
    """Write a pooling step. A maximum is NaN if there is one."""
    code, lanes = writing.code, writing.lanes
    x, y, (sy, sx) = step["x"], step["y"], step["stride"]
    channels, rows, columns = y["shape"]
    largest = step["op"] == "max_pool"

    with (
        code.loop(0, rows) as row,
        code.loop(0, columns) as column,
        code.loop(0, -(-channels // lanes) * lanes, lanes) as channel,
    ):
        first = code.index(x["at"], (row, sy * x["row"]), (column, sx * x["pixel"]), channel)
        found = [writing.load(first, lanes) if largest else writing.zero(lanes)]
        with (
            code.loop(0, step["kernel"][0], carried=found) as i,
            code.loop(0, step["kernel"][1], carried=found) as j,
        ):
            value = writing.load(code.index(first, (i, x["row"]), (j, x["pixel"])), lanes)
            found[0] = _larger(code, found[0], value) if largest else code.add(found[0], value)
        total = found[0]
        if not largest:
            total = code.mul(total, writing.constant(step["constants"], 0, lanes))
        writing.store(total, code.index(y["at"], (row, y["row"]), (column, y["pixel"]), channel))


def _larger(code: Emitter, most: Value, value: Value) -> Value:
    builder = code.builder
    above = builder.fcmp_ordered(">", value, most)
    # No comparison holds for NaN; one that has been found stays.
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.select(builder.or_(above, is_nan), value, most)
