"""Winograd's convolution of batch-last arrays: transform, one product per point, transform back.

A block's tiles, all of the same vectors of images, are transformed, multiplied and transformed
back within a core's own cache; see `core.conv.algorithms.winograd` for what is computed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

from core.conv.codegen.batch_last_copy import emit_copy
from core.conv.codegen.batch_last_epilogue import PLAIN, Epilogue, emit_epilogue
from core.conv.codegen.batch_last_tile import Tile
from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host
from core.conv.codegen.winograd_transforms import SIDE, Transform
from core.conv.cook_toom import cook_toom

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 15 + ("integer",) * 22
PRODUCTS = SIDE * SIDE


class _Numbers(NamedTuple):
    images: Value
    vectors: Value
    at_a_time: Value
    blocks: Value
    groups: Value
    channels: Value
    out_channels: Value
    pixels: Value
    out_pixels: Value
    out_row: Value
    w_channel: Value
    w_row: Value
    w_group: Value
    channel: Value
    row: Value
    image: Value
    tiles: Value
    chunk: Value
    value: Value
    product: Value
    weight: Value
    weight_block: Value


@lru_cache(maxsize=64)
def kernel(tile: Tile, taps: int, epilogue: Epilogue = PLAIN) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    write = partial(source, tile, taps, host(), epilogue)
    return load(write, "batch_last_winograd", PARAMETERS)


def source(tile: Tile, taps: int, target: Target, epilogue: Epilogue = PLAIN) -> str:
    """Return the IR of a kernel for ``taps`` by ``taps`` taps; P of ``tile`` divides the lanes.

    Its arguments; distances are counted in elements:

    - the addresses of the input, the weights, and the output; of a vector to which 0 is added
      where all is finite, else NaN; of what is added to the output's channels; of the constants
      of the transforms;
    - the addresses of scratch memory: for inputs, for their values at the points, for products,
      for the weights' values, and for the weights of a vector of channels;
    - a table of blocks: first and last row, first tile, number of tiles;
    - the rows to copy (`core.conv.codegen.batch_last_copy.rows`);
    - a table of tiles: place of the first input, first output pixel, rows and columns that exist;
    - a table of taps: how far each is from the first one;
    - the numbers of images, of vectors of them, of vectors in a block, of blocks, of groups, of
      input and output channels of a group, of input and output pixels, and of pixels in a row of
      the output;
    - how far weights are apart: of input channels, of output channels, of groups;
    - how far inputs are apart in scratch memory: channels, rows, vectors of images;
    - the numbers of tiles of a block, and of output channels whose products are held at a time, a
      multiple of P;
    - how far points are apart: in values, products, and weights; and in these, vectors of channels.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", host().lanes(4), 4, 6), 3, host())
    True
    """
    code = Emitter(target, "batch_last_winograd", PARAMETERS)
    x, weights, out, finite, bias, constants, *rest = code.arguments[:15]
    scratch, values, products, transformed, packed, blocks, rows, tiles, tap_table = rest
    n = _Numbers(*code.arguments[15:])
    dtype, lanes = tile.dtype, tile.lanes
    transform = Transform(code, dtype, constants)
    with code.loop(0, n.groups) as group:
        own_weights = code.at(weights, dtype, code.index((group, n.w_group)))
        _emit_weights(code, tile, taps, transform, own_weights, packed, transformed, tap_table, n)
        with (
            code.loop(0, n.blocks) as block,
            code.loop(0, n.vectors, n.at_a_time) as first_vector,
        ):
            entry = code.at(blocks, "int64", code.index((block, 4)))
            bounds = integer_at(code, entry, 0), integer_at(code, entry, 1)
            own_tiles = code.at(tiles, "int64", code.index((integer_at(code, entry, 2), 4)))
            count = integer_at(code, entry, 3)
            left = code.builder.sub(n.vectors, first_vector)
            together = code.minimum(n.at_a_time, left)
            total = code.builder.mul(together, count)
            with code.loop(0, together) as j:
                image = code.index((code.index(first_vector, j), lanes))
                inputs = code.at(scratch, dtype, code.index((j, n.image)))
                first_tile = code.builder.mul(j, count)
                with code.loop(0, n.channels) as c:
                    own = code.index(code.index((group, n.channels)), c)
                    start = code.index((code.index((own, n.pixels)), n.images), image)
                    target_channel = code.at(inputs, dtype, code.index((c, n.channel)))
                    copy = code.at(x, dtype, start), n.images, target_channel, rows, bounds
                    emit_copy(code, dtype, lanes, *copy)
                    with code.loop(0, count) as t:
                        place = code.index((code.index((c, n.tiles)), lanes))
                        at = code.index(place, (code.index(first_tile, t), lanes))
                        spot = integer_at(code, own_tiles, code.index((t, 4)))
                        corner = code.at(target_channel, dtype, spot)
                        place = code.at(values, dtype, at)
                        emit_values(transform, corner, n.row, place, n.value)
            with code.loop(0, n.out_channels, n.chunk) as first:
                last = code.minimum(code.index(first, n.chunk), n.out_channels)
                _emit_products(code, tile, values, transformed, products, (first, last, total), n)
                own = code.index(code.index((group, n.out_channels)), first)
                with (
                    code.loop(0, together) as j,
                    code.loop(0, code.builder.sub(last, first)) as o,
                    code.loop(0, count) as t,
                ):
                    image = code.index((code.index(first_vector, j), lanes))
                    number = code.index((j, count), t)
                    at = code.index((code.index((o, n.tiles), number), lanes))
                    spot = code.at(own_tiles, "int64", code.index((t, 4)))
                    plane = code.index((code.index(own, o), n.out_pixels))
                    pixel = code.index(plane, integer_at(code, spot, 1))
                    corner = code.at(out, dtype, code.index((pixel, n.images), image))
                    sizes = integer_at(code, spot, 2), integer_at(code, spot, 3)
                    place = code.at(products, dtype, at)
                    after = partial(
                        emit_epilogue, code, epilogue, dtype, bias=bias, channel=code.index(own, o)
                    )
                    _emit_outputs(transform, taps, place, corner, sizes, finite, after, n)
    return code.finish()


def _emit_weights(
    code: Emitter,
    tile: Tile,
    taps: int,
    transform: Transform,
    weights: Value,
    packed: Value,
    transformed: Value,
    tap_table: Value,
    n: _Numbers,
) -> None:
    # A vector of output channels at a time; where there are none left the last one is repeated.
    dtype, lanes = tile.dtype, tile.lanes
    matrix, last = cook_toom(taps).taps, code.index(n.out_channels, -1)
    with code.loop(0, n.out_channels, lanes) as first, code.loop(0, n.channels) as c:
        source = code.at(weights, dtype, code.index((c, n.w_channel)))
        with code.loop(0, lanes) as lane:
            own = code.minimum(code.index(first, lane), last)
            kernel = code.at(source, dtype, code.index((own, n.w_row)))
            for t in range(taps * taps):
                weight = code.load(kernel, dtype, 1, integer_at(code, tap_table, t))
                code.store(weight, packed, code.index(lane, t * lanes))
        number = code.builder.sdiv(first, code.integer(lanes))
        place = code.at(transformed, dtype, code.index((number, n.weight_block), (c, lanes)))
        with code.loop(0, taps) as j:
            column = [
                transform.load(packed, code.index((j, lanes), i * taps * lanes))
                for i in range(taps)
            ]
            transform.keep(transform.by_rows(matrix, column), j)
        with code.loop(0, SIDE) as i:
            row = transform.kept(i)[:taps]
            for j, value in enumerate(transform.by_rows(matrix, row)):
                code.store(value, place, code.index((code.index((i, SIDE), j), n.weight)))


def emit_values(
    transform: Transform, corner: Value, row: Value, place: Value, point: Value
) -> None:
    """Write the transform of the tile at ``corner``: ``row`` to a row, ``point`` to a point."""
    code, lanes = transform.code, transform.lanes
    # The matrix is the same for every number of taps.
    matrix = cook_toom(3).inputs
    with code.loop(0, SIDE) as j:
        column = [transform.load(corner, code.index((row, i), (j, lanes))) for i in range(SIDE)]
        transform.keep(transform.by_rows(matrix, column), j)
    with code.loop(0, SIDE) as i:
        for j, value in enumerate(transform.by_rows(matrix, transform.kept(i))):
            code.store(value, place, code.index((code.index((i, SIDE), j), point)))


def _emit_products(
    code: Emitter,
    tile: Tile,
    values: Value,
    transformed: Value,
    products: Value,
    bounds: tuple[Value, Value, Value],
    n: _Numbers,
) -> None:
    # For each point, sums over channels: P output channels by V tiles stay in registers.
    dtype, lanes, P, V = tile.dtype, tile.lanes, tile.panel, tile.vectors
    first, last, total = bounds
    step = code.index((n.tiles, lanes))
    with code.loop(0, PRODUCTS) as point:
        own_values = code.at(values, dtype, code.index((point, n.value)))
        own_weights = code.at(transformed, dtype, code.index((point, n.weight)))
        own_products = code.at(products, dtype, code.index((point, n.product)))
        with code.loop(0, total, V) as t:
            at_tile = code.at(own_values, dtype, code.index((t, lanes)))
            with code.loop(first, last, P) as o:
                number = code.builder.sdiv(o, code.integer(lanes))
                within = code.builder.srem(o, code.integer(lanes))
                factors = code.at(own_weights, dtype, code.index((number, n.weight_block), within))
                sums = [code.constant(0, dtype, lanes)] * (P * V)
                with code.loop(0, n.channels, carried=sums) as c:
                    at = code.at(at_tile, dtype, code.index((c, step)))
                    vectors = [code.load(at, dtype, lanes, v * lanes) for v in range(V)]
                    for p in range(P):
                        weight = code.broadcast(factors, dtype, lanes, code.index((c, lanes), p))
                        for v, vector in enumerate(vectors):
                            sums[p * V + v] = code.fma(weight, vector, sums[p * V + v])
                row = code.builder.sub(o, first)
                corner = code.at(own_products, dtype, code.index((row, step), (t, lanes)))
                for p in range(P):
                    for v in range(V):
                        code.store(sums[p * V + v], corner, code.index((step, p), v * lanes))


def _emit_outputs(
    transform: Transform,
    taps: int,
    place: Value,
    corner: Value,
    sizes: tuple[Value, Value],
    finite: Value,
    after: Callable[[Value], Value],
    n: _Numbers,
) -> None:
    code, lanes = transform.code, transform.lanes
    matrix = cook_toom(taps).outputs
    with code.loop(0, SIDE) as j:
        column = [
            transform.load(place, code.index((code.index((i, SIDE), j), n.product)))
            for i in range(SIDE)
        ]
        transform.keep(transform.by_columns(matrix, column), j)
    rows, columns = sizes
    zero = code.constant(0, transform.dtype, lanes)
    total = [zero] * len(matrix)
    with code.loop(0, rows, carried=total) as i:
        for j, value in enumerate(transform.by_columns(matrix, transform.kept(i))):
            total[j] = code.fma(zero, value, total[j])
            # Not where the output has ended.
            with code.loop(j, code.minimum(j + 1, columns)):
                at = code.index((code.index((i, n.out_row), j), n.images))
                code.store(after(value), corner, at)
    for found in total:
        code.store(code.add(code.load(finite, transform.dtype, lanes), found), finite)
