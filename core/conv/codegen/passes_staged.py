"""Two fused passes over rows that are brought into the cache first."""

from __future__ import annotations

from functools import cache, partial

from core.conv.codegen import staged
from core.conv.codegen.direct import Spec, plane
from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.staged import Reading, Stage
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = (*staged.PARAMETERS, *("pointer",) * 3, *("integer",) * 6)


@cache
def kernel(first: Spec, second: Spec, reading: Reading) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, first, second, reading, host()), "passes_staged", PARAMETERS)


def source(first: Spec, second: Spec, reading: Reading, target: Target) -> str:
    """Return the IR of a kernel whose passes are specialised as ``first`` and ``second`` say.

    Its arguments are `core.conv.codegen.staged.PARAMETERS`, and then

    - addresses of the output, the terms' columns (one after another) and their rows;
    - how far it is from one plane of the output to the next;
    - number of terms, length of a column and of a row;
    - how far it is from row to row of the output, and how many columns it has.

    After the rows of a turn the scratch has room for ``turn`` more for each term.

    Examples
    --------
    >>> from core.conv.codegen.tiles import Tile
    >>> first = Spec("float32", "float32", False, Tile(4, 4, 16), height=None)
    >>> second = Spec("float32", "float32", False, Tile(1, 8, 16), height=None)
    >>> "llvm.fma" in source(first, second, Reading("float32", "float32", 1, 0, 16, 4), host())
    True
    """
    code = Emitter(target, "passes_staged", PARAMETERS)
    out, column_taps, row_taps, out_plane, terms, height, width, out_row, columns = code.arguments[
        -9:
    ]
    stage = Stage(code, reading, height)
    dtype, scratch_row = first.dtype, stage.scratch_row
    scratch_term = code.index((stage.turn, scratch_row))
    between = code.at(stage.scratch, dtype, code.index((stage.filled, scratch_row)))
    with stage.turns() as (index, row):
        with code.loop(0, terms) as term:
            plane(
                code,
                first,
                stage.scratch,
                code.at(between, dtype, code.index((term, scratch_term))),
                code.at(column_taps, dtype, code.index((term, height))),
                taps=(1, height, 1),
                steps=(0, scratch_row, 0),
                rows=stage.turn,
                out_row=scratch_row,
                columns=scratch_row,
            )
        plane(
            code,
            second,
            between,
            code.at(out, dtype, code.index((index, out_plane), (row, out_row))),
            row_taps,
            taps=(terms, 1, width),
            steps=(scratch_term, scratch_row, 1),
            rows=stage.turn,
            out_row=out_row,
            columns=columns,
        )
    return code.finish()
