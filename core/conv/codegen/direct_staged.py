"""Direct convolution on two axes of rows that are brought into the cache first."""

from __future__ import annotations

from functools import cache, partial

from core.conv.codegen import staged
from core.conv.codegen.direct import Spec, plane
from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.staged import Reading, Stage
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = (*staged.PARAMETERS, *("pointer",) * 2, *("integer",) * 5)


@cache
def kernel(spec: Spec, reading: Reading) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, spec, reading, host()), "direct_staged", PARAMETERS)


def source(spec: Spec, reading: Reading, target: Target) -> str:
    """Return the IR of a kernel; what ``spec`` reads is what ``reading`` writes.

    Its arguments are `core.conv.codegen.staged.PARAMETERS`, and then

    - addresses of the output and of the contiguous weights;
    - how far it is from one plane of the output to the next;
    - height and width of the convolution kernel;
    - how far it is from row to row of the output, and how many columns it has.

    Examples
    --------
    >>> from core.conv.codegen.tiles import Tile
    >>> spec = Spec("float32", "float32", False, Tile(4, 4, 16), height=3)
    >>> "llvm.fma" in source(spec, Reading("uint8", "float32", 3, 1, 16, 4), host())
    True
    """
    code = Emitter(target, "direct_staged", PARAMETERS)
    out, weights, out_plane, height, width, out_row, columns = code.arguments[-7:]
    stage = Stage(code, reading, height)
    with stage.turns() as (index, row):
        plane(
            code,
            spec,
            stage.scratch,
            code.at(out, spec.dtype, code.index((index, out_plane), (row, out_row))),
            weights,
            taps=(1, height, width),
            steps=(0, stage.scratch_row, 1),
            rows=stage.turn,
            out_row=out_row,
            columns=columns,
        )
    return code.finish()
