"""Two passes in one: columns into a scratch of a few rows, then rows from there to the output.

A kernel that is a sum of outer products costs ``height + width`` multiply-adds per term in place
of ``height * width``. What the first pass leaves never leaves the cache: the second one follows
after a few rows, and sums all terms in registers.
"""

from __future__ import annotations

from functools import cache, partial

from core.conv.codegen.direct import Spec, plane
from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 5 + ("integer",) * 14


@cache
def kernel(first: Spec, second: Spec) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, first, second, host()), "passes", PARAMETERS)


def source(first: Spec, second: Spec, target: Target) -> str:
    """Return the IR of a kernel whose passes are specialised as ``first`` and ``second`` say.

    Its arguments, in this order; distances are counted in real numbers:

    - addresses of the input, the output, the scratch, the terms' columns (one after another) and
      their rows;
    - number of terms, length of a column and of a row;
    - in the input, how far it is from one term's to the next, from row to row, and from tap to
      tap of a row;
    - number of output planes, and how far it is from one to the next in input and output;
    - number of rows of a plane (at least a turn's), and how far it is in the output;
    - how many real numbers are in a row of the output, and of the scratch, which holds all that a
      row of the output needs (at least a tile's, both);
    - how many rows are done in one turn (at least a tile's, in either pass): the scratch holds
      as many for each term.

    Examples
    --------
    >>> from core.conv.codegen.tiles import Tile
    >>> first = Spec("float32", "float32", False, Tile(4, 4, 16), height=None)
    >>> second = Spec("float32", "float32", False, Tile(1, 8, 16), height=None)
    >>> "llvm.fma" in source(first, second, host())
    True
    """
    code = Emitter(target, "passes", PARAMETERS)
    x, out, scratch, column_taps, row_taps, *sizes = code.arguments
    terms, height, width, x_term, x_row, step, planes, x_plane, out_plane, *rest = sizes
    rows, out_row, columns, scratch_row, turn = rest
    parts = 2 if first.pairs else 1
    scratch_term = code.index((turn, scratch_row))
    with code.loop(0, planes) as index, code.loop(0, rows, turn) as unclipped_row:
        row = code.minimum(unclipped_row, code.builder.sub(rows, turn))
        with code.loop(0, terms) as term:
            offset = code.index((index, x_plane), (term, x_term), (row, x_row))
            plane(
                code,
                first,
                code.at(x, first.storage, offset),
                code.at(scratch, first.dtype, code.index((term, scratch_term))),
                code.at(column_taps, first.dtype, code.index((code.index((term, height)), parts))),
                taps=(1, height, 1),
                steps=(0, x_row, 0),
                rows=turn,
                out_row=scratch_row,
                columns=scratch_row,
            )
        plane(
            code,
            second,
            scratch,
            code.at(out, second.dtype, code.index((index, out_plane), (row, out_row))),
            row_taps,
            taps=(terms, 1, width),
            steps=(scratch_term, scratch_row, step),
            rows=turn,
            out_row=out_row,
            columns=columns,
        )
    return code.finish()
