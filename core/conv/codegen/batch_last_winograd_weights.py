"""The gradient with respect to the kernels by Winograd's transforms, for batch-last arrays.

The convolution is ``A @ ((G @ w) * (B @ x))`` along each axis, so the gradient with respect to w
is ``G' @ ((A' @ dy) * (B @ x))``, summed over tiles and images before the last transform. The
lanes of the sums are output channels: gradients are transposed first, so that no lanes are left
to be added::

    sums[point, c, lanes of o] += dy[point, tile, image, lanes of o] * x[point, c, tile, image]
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

from core.conv.codegen.batch_last_copy import emit_copy
from core.conv.codegen.batch_last_tile import Tile
from core.conv.codegen.batch_last_winograd import PRODUCTS, emit_values
from core.conv.codegen.channels_transpose import integer_at, transposed
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host
from core.conv.codegen.winograd_transforms import SIDE, Transform
from core.conv.cook_toom import cook_toom

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 12 + ("integer",) * 18


class _Numbers(NamedTuple):
    images: Value
    vectors: Value
    at_a_time: Value
    blocks: Value
    groups: Value
    channels: Value
    channel_panels: Value
    out_blocks: Value
    out_panels: Value
    pixels: Value
    out_pixels: Value
    out_row: Value
    channel: Value
    row: Value
    image: Value
    value: Value
    gradient: Value
    sum: Value


@lru_cache(maxsize=64)
def kernel(tile: Tile, taps: int, tiles: int) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    write = partial(source, tile, taps, tiles, host())
    return load(write, "batch_last_winograd_weights", PARAMETERS)


def source(tile: Tile, taps: int, tiles: int, target: Target) -> str:
    """Return the IR of a kernel for ``taps`` by ``taps`` taps and ``tiles`` tiles of a block.

    P of ``tile`` counts input channels, V vectors of output channels. Its arguments; distances
    are counted in elements:

    - the addresses of the input, the gradient of the output, and the result ``(group, vector of
      output channels, input channel, tap, lane)``; of the constants of the transforms;
    - the addresses of scratch memory: for inputs, for their values at the points, for those of the
      gradients, for sums, and for a tile of gradients;
    - a table of blocks: first and last row, first tile, number of tiles;
    - the rows to copy (`core.conv.codegen.batch_last_copy.rows`);
    - a table of tiles: place of the first input, first output pixel, rows and columns that exist;
    - the numbers of images, of vectors of them, of vectors in a block, of blocks, of groups, of
      input channels of a group and of panels of P, of vectors of output channels of a group and
      of panels of V, of input and output pixels, and of pixels in a row of the output;
    - how far inputs are apart in scratch memory: channels, rows, vectors of images;
    - how far points are apart: in values of inputs and of gradients, and in sums.

    Examples
    --------
    >>> "llvm.fma" in source(Tile("float32", host().lanes(4), 6, 4), 3, 8, host())
    True
    """
    code = Emitter(target, "batch_last_winograd_weights", PARAMETERS)
    x, dy, out, constants, scratch, values, gradients, sums, square = code.arguments[:9]
    blocks, rows, tile_table = code.arguments[9:12]
    n = _Numbers(*code.arguments[12:])
    dtype, lanes = tile.dtype, tile.lanes
    transform = Transform(code, dtype, constants)
    zero = code.constant(0, dtype, lanes)
    with code.loop(0, n.groups) as group:
        with code.loop(0, code.builder.mul(n.sum, code.integer(PRODUCTS)), lanes) as i:
            code.store(zero, sums, i)
        with (
            code.loop(0, n.blocks) as block,
            code.loop(0, n.vectors, n.at_a_time) as first_vector,
        ):
            entry = code.at(blocks, "int64", code.index((block, 4)))
            bounds = integer_at(code, entry, 0), integer_at(code, entry, 1)
            own_tiles = code.at(tile_table, "int64", code.index((integer_at(code, entry, 2), 4)))
            count = integer_at(code, entry, 3)
            together = code.minimum(n.at_a_time, code.builder.sub(n.vectors, first_vector))
            with code.loop(0, together) as j:
                image = code.index((code.index(first_vector, j), lanes))
                inputs = code.at(scratch, dtype, code.index((j, n.image)))
                with code.loop(0, n.channels) as c:
                    own = code.index(code.index((group, n.channels)), c)
                    start = code.index((code.index((own, n.pixels)), n.images), image)
                    target_channel = code.at(inputs, dtype, code.index((c, n.channel)))
                    copy = code.at(x, dtype, start), n.images, target_channel, rows, bounds
                    emit_copy(code, dtype, lanes, *copy)
                    with code.loop(0, count) as t:
                        number = code.index((j, count), t)
                        at = code.index((c, tiles * lanes), (number, lanes))
                        spot = integer_at(code, own_tiles, code.index((t, 4)))
                        corner = code.at(target_channel, dtype, spot)
                        emit_values(transform, corner, n.row, code.at(values, dtype, at), n.value)
                with code.loop(0, n.out_blocks) as o, code.loop(0, count) as t:
                    own = code.index((code.index((group, n.out_blocks), o), lanes))
                    spot = code.at(own_tiles, "int64", code.index((t, 4)))
                    pixel = code.index((own, n.out_pixels), integer_at(code, spot, 1))
                    corner = code.at(dy, dtype, code.index((pixel, n.images), image))
                    sizes = integer_at(code, spot, 2), integer_at(code, spot, 3)
                    _emit_transposed(code, tile, taps, corner, sizes, square, n)
                    number = code.index((j, count), t)
                    first = code.index((o, tiles * lanes), (number, lanes))
                    place = code.at(gradients, dtype, code.index((first, lanes)))
                    _emit_gradients(transform, taps, square, place, n.gradient)
            depth = code.index((code.builder.mul(together, count), lanes))
            _emit_products(code, tile, tiles, (values, gradients, sums), depth, n)
        _emit_results(transform, tile, taps, (sums, out), group, n)
    return code.finish()


def _emit_transposed(
    code: Emitter,
    tile: Tile,
    taps: int,
    corner: Value,
    sizes: tuple[Value, Value],
    square: Value,
    n: _Numbers,
) -> None:
    # A tile of gradients of as many channels as images, as (image, row, column, channel).
    dtype, lanes, m = tile.dtype, tile.lanes, SIDE + 1 - taps
    rows, columns = sizes
    zero = code.constant(0, dtype, lanes)
    channel = code.index((n.out_pixels, n.images))
    with code.loop(0, m) as i:
        inside = code.builder.select(
            code.builder.icmp_signed("<", i, rows), columns, code.integer(0)
        )
        place = code.at(square, dtype, code.index((i, m * lanes)))
        with code.loop(0, inside) as j:
            pixel = code.at(corner, dtype, code.index((code.index((i, n.out_row), j), n.images)))
            found = [code.load(pixel, dtype, lanes, code.index((channel, k))) for k in range(lanes)]
            itemsize = code.target.vector_bytes // lanes
            for k, vector in enumerate(transposed(code, found, itemsize)):
                code.store(vector, place, code.index((j, lanes), k * m * m * lanes))
        with code.loop(inside, m) as j:
            for k in range(lanes):
                code.store(zero, place, code.index((j, lanes), k * m * m * lanes))


def _emit_gradients(
    transform: Transform, taps: int, square: Value, place: Value, point: Value
) -> None:
    code, lanes, m = transform.code, transform.lanes, SIDE + 1 - taps
    matrix = cook_toom(taps).outputs.T
    with code.loop(0, lanes) as image:
        own = code.at(square, transform.dtype, code.index((image, m * m * lanes)))
        target = code.at(place, transform.dtype, code.index((image, lanes)))
        with code.loop(0, m) as j:
            column = [transform.load(own, code.index((j, lanes), i * m * lanes)) for i in range(m)]
            transform.keep(transform.by_rows(matrix, column), j)
        with code.loop(0, SIDE) as i:
            row = transform.kept(i)[:m]
            for j, value in enumerate(transform.by_rows(matrix, row)):
                code.store(value, target, code.index((code.index((i, SIDE), j), point)))


def _emit_products(
    code: Emitter,
    tile: Tile,
    tiles: int,
    arrays: tuple[Value, Value, Value],
    depth: Value,
    n: _Numbers,
) -> None:
    # For each point, sums over tiles and images: P input channels by V vectors of output channels.
    dtype, lanes, P, V = tile.dtype, tile.lanes, tile.panel, tile.vectors
    values, gradients, totals = arrays
    channels = code.index((n.channel_panels, P))
    with (
        code.loop(0, PRODUCTS) as point,
        code.loop(0, n.channel_panels) as c,
        code.loop(0, n.out_panels) as o,
    ):
        at = code.index((point, n.value), (c, P * tiles * lanes))
        factors = code.at(values, dtype, at)
        at = code.index((point, n.gradient), (o, V * tiles * lanes * lanes))
        vectors_at = code.at(gradients, dtype, at)
        row = code.index((code.index((o, V)), channels), (c, P))
        corner = code.at(totals, dtype, code.index((point, n.sum), (row, lanes)))
        apart = code.index((channels, lanes))
        spots = [code.index((apart, v), p * lanes) for p in range(P) for v in range(V)]
        sums = [code.load(corner, dtype, lanes, spot) for spot in spots]
        with code.loop(0, depth, carried=sums) as k:
            own = code.at(vectors_at, dtype, code.index((k, lanes)))
            vectors = [code.load(own, dtype, lanes, v * tiles * lanes * lanes) for v in range(V)]
            for p in range(P):
                factor = code.broadcast(factors, dtype, lanes, code.index(k, p * tiles * lanes))
                for v, vector in enumerate(vectors):
                    sums[p * V + v] = code.fma(factor, vector, sums[p * V + v])
        for total, spot in zip(sums, spots, strict=True):
            code.store(total, corner, spot)


def _emit_results(
    transform: Transform,
    tile: Tile,
    taps: int,
    arrays: tuple[Value, Value],
    group: Value,
    n: _Numbers,
) -> None:
    code, lanes, dtype = transform.code, transform.lanes, transform.dtype
    sums, out = arrays
    matrix = cook_toom(taps).taps.T
    length = code.index((n.channel_panels, tile.panel))
    with code.loop(0, n.out_blocks) as o, code.loop(0, n.channels) as c:
        place = code.at(sums, dtype, code.index((code.index((o, length), c), lanes)))
        row = code.index((code.index((group, n.out_blocks), o), n.channels), c)
        target = code.at(out, dtype, code.index((row, taps * taps * lanes)))
        with code.loop(0, SIDE) as j:
            column = [
                transform.load(place, code.index((code.index((i, SIDE), j), n.sum)))
                for i in range(SIDE)
            ]
            transform.keep(transform.by_columns(matrix, column), j)
        with code.loop(0, taps) as i:
            for j, value in enumerate(transform.by_columns(matrix, transform.kept(i))):
                code.store(value, target, code.index((i, taps * lanes), j * lanes))
