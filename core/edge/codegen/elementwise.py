"""Steps that take every number by itself, or all of an image together."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from core.conv.codegen.emit import Integer, Value
from core.edge.codegen.writing import FLOAT, Document, Writing


def image(writing: Writing, step: Document) -> None:
    """Write what brings the image, ``(channels, rows, columns)``, into the arena."""
    code, y = writing.code, step["y"]
    channels, rows, columns = y["shape"]

    def line(row: Value, channel: Value) -> None:
        x = code.index((channel, rows * columns), (row, columns))
        at = code.index(y["at"], (row, y["row"]), channel)

        def move(column: Value, lanes: int) -> None:
            value = code.load(writing.image, FLOAT, lanes, code.index(x, column))
            writing.store(value, code.index(at, (column, y["pixel"])))

        if y["pixel"] == 1:
            writing.along(columns, move)
        else:
            with code.loop(0, columns) as column:
                move(column, 1)

    with code.loop(0, rows) as row, code.loop(0, channels) as channel:
        line(row, channel)


def activation(writing: Writing, step: Document) -> None:
    """Write a rectifier."""
    x, y = step["x"], step["y"]

    def compute(at: Value, row: Value, lanes: int) -> None:
        value = writing.load(_in_row(writing, x, row, at), lanes)
        writing.store(writing.activated(step, value), _in_row(writing, y, row, at))

    _everywhere(writing, y, compute)


def add(writing: Writing, step: Document) -> None:
    """Write a sum of tensors, from the first to the last."""
    xs, y = step["xs"], step["y"]

    def compute(at: Value, row: Value, lanes: int) -> None:
        total = writing.load(_in_row(writing, xs[0], row, at), lanes)
        for x in xs[1:]:
            value = writing.load(_in_row(writing, x, row, at), lanes)
            total = writing.code.add(total, value)
        writing.store(writing.activated(step, total), _in_row(writing, y, row, at))

    _everywhere(writing, y, compute)


def affine(writing: Writing, step: Document) -> None:
    """Write a scale and a shift for each channel."""
    code, x, y = writing.code, step["x"], step["y"]
    channels, rows, columns = y["shape"]
    # Where pixels are not whole vectors, a vector would reach into the next one.
    lanes = writing.lanes if y["pixel"] % writing.lanes == 0 else 1
    with (
        code.loop(0, rows) as row,
        code.loop(0, columns) as column,
        code.loop(0, -(-channels // lanes) * lanes, lanes) as channel,
    ):
        scale = writing.kept(step["scale"], channel, lanes)
        shift = writing.kept(step["shift"], channel, lanes)
        at = code.index((column, x["pixel"]), channel)
        value = writing.load(_in_row(writing, x, row, at), lanes)
        at = code.index((column, y["pixel"]), channel)
        writing.store(code.fma(value, scale, shift), _in_row(writing, y, row, at))


def normalize(writing: Writing, step: Document) -> None:
    """Write what brings an image to mean 0 and variance 1."""
    code, x, y = writing.code, step["x"], step["y"]
    share, epsilon, one = (writing.constant(step["constants"], i, 1) for i in range(3))
    mean = code.mul(_sum(writing, x, lambda value: value), share)

    def squared(value: Value) -> Value:
        centred = code.sub(value, _spread(writing, mean, value.type.count))
        return code.mul(centred, centred)

    variance = code.add(code.mul(_sum(writing, x, squared), share), epsilon)
    deviation = code.builder.call(_square_root(writing, variance), [variance])
    scale = code.builder.fdiv(one, deviation)

    def compute(at: Value, row: Value, lanes: int) -> None:
        value = writing.load(_in_row(writing, x, row, at), lanes)
        centred = code.sub(value, _spread(writing, mean, lanes))
        scaled = code.mul(centred, _spread(writing, scale, lanes))
        writing.store(scaled, _in_row(writing, y, row, at))

    _everywhere(writing, y, compute)


def border(writing: Writing, step: Document) -> None:
    """Write zeros around a tensor."""
    code, y = writing.code, step["y"]
    top, bottom, left, right = step["around"]
    _, rows, columns = y["shape"]
    first = y["at"] - top * y["row"] - left * y["pixel"]
    width = left + columns + right
    for row, column, height, wide in (
        (0, 0, top, width),
        (top, 0, rows, left),
        (top, left + columns, rows, right),
        (top + rows, 0, bottom, width),
    ):
        if height and wide:
            with code.loop(row, row + height) as line:
                at = code.index(first + column * y["pixel"], (line, y["row"]))
                writing.along(
                    wide * y["pixel"],
                    lambda i, lanes, at=at: writing.store(  # type: ignore[misc]
                        writing.zero(lanes), code.index(at, i)
                    ),
                )


def _everywhere(
    writing: Writing, tensor: Document, compute: Callable[[Value, Value, int], None]
) -> None:
    """Go through all rows of a tensor, number by number, channels that are none included."""
    with writing.code.loop(0, tensor["shape"][1]) as row:
        length = tensor["shape"][2] * tensor["pixel"]
        writing.along(length, lambda at, lanes: compute(at, row, lanes))


def _in_row(writing: Writing, tensor: Document, row: Value, at: Integer) -> Value:
    return writing.code.index(tensor["at"], (row, tensor["row"]), at)


def _sum(writing: Writing, x: Document, of: Callable[[Value], Value]) -> Value:
    """Return the sum over all numbers of a tensor whose pixels hold channels only, one lane."""
    code, lanes = writing.code, writing.lanes
    length = x["shape"][2] * x["pixel"]
    sums = [writing.zero(lanes)] * 4 + [writing.zero(1)]
    with code.loop(0, x["shape"][1], carried=sums) as row:
        full = length // (4 * lanes) * 4 * lanes
        with code.loop(0, full, 4 * lanes, carried=sums) as at:
            for i in range(4):
                place = code.index(at, i * lanes)
                value = writing.load(_in_row(writing, x, row, place), lanes)
                sums[i] = code.add(sums[i], of(value))
        with code.loop(full, length, carried=sums) as at:
            value = writing.load(_in_row(writing, x, row, at), 1)
            sums[4] = code.add(sums[4], of(value))
    vector = code.add(code.add(sums[0], sums[1]), code.add(sums[2], sums[3]))
    total = sums[4]
    for lane in range(lanes):
        total = code.add(total, code.shuffle(vector, vector, [lane]))
    return total


def _spread(writing: Writing, value: Value, lanes: int) -> Value:
    return value if lanes == 1 else writing.code.shuffle(value, value, [0] * lanes)


def _square_root(writing: Writing, value: Value) -> Value:
    module = writing.code.builder.module
    return ir.Function(module, ir.FunctionType(value.type, [value.type]), "llvm.sqrt.v1f32")
