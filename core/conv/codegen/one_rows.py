"""Sums of values of one image, activations, and copies: whatever goes number by number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.one_activation import Activation, activated
from core.conv.codegen.target import Target, host

MOST_OPERANDS = 8


@dataclass(frozen=True)
class Rows:
    """What a kernel is specialised for.

    Attributes
    ----------
    dtype, lanes : str, int
        Of its vectors.
    operands : int
        Values that are added, from the first to the last.
    activation : str
        What becomes of the sum.
    """

    dtype: str
    lanes: int
    operands: int
    activation: Activation = "identity"


@lru_cache(maxsize=256)
def kernel(rows: Rows) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, rows, host()), "one_rows", _parameters(rows))


def source(rows: Rows, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the output, of the activation's `constants`, and of a table of rows: how
      far each is in the output and in the operands;
    - the addresses of the operands;
    - the number of rows, and of the vectors in each.

    Examples
    --------
    >>> "fadd" in source(Rows("float32", 16, 2), host())
    True
    """
    code = Emitter(target, "one_rows", _parameters(rows))
    y, numbers, table, *operands, count, vectors = code.arguments
    dtype, lanes = rows.dtype, rows.lanes
    with code.loop(0, count) as row:
        entry = code.at(table, "int64", code.index((row, 1 + rows.operands)))
        out, *places = (
            code.at(pointer, dtype, integer_at(code, entry, number))
            for number, pointer in enumerate((y, *operands))
        )
        with code.loop(0, vectors) as vector:
            at = code.index((vector, lanes))
            total = code.load(places[0], dtype, lanes, at)
            for place in places[1:]:
                total = code.add(total, code.load(place, dtype, lanes, at))
            code.store(activated(code, rows, total, numbers), out, at)
    return code.finish()


def _parameters(rows: Rows) -> tuple[Kind, ...]:
    addresses: list[Kind] = ["pointer"] * (3 + rows.operands)
    return (*addresses, "integer", "integer")
