"""The largest value of each window, or the mean, of one image channels-last.

Lanes are channels. Which pixels a window sees stands in a table, so that one kernel serves every
number of axes, size, stride and padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal

from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind, Value
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 4 + ("integer",) * 2
# Windows of more pixels are gone through in a loop.
_MOST_UNROLLED = 9


@dataclass(frozen=True)
class Window:
    """What a kernel is specialised for.

    Attributes
    ----------
    dtype, lanes : str, int
        Of its vectors.
    what : {"largest", "mean"}
        What is wanted of each window.
    pixels : int
        Of a window.
    """

    dtype: str
    lanes: int
    what: Literal["largest", "mean"]
    pixels: int


@lru_cache(maxsize=256)
def kernel(window: Window) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, window, host()), "one_pool", PARAMETERS)


def source(window: Window, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the input and the output;
    - a table of windows: how far the output is, then the input's pixels;
    - the address of what each window's sum is multiplied by for a mean, one number for each;
    - the numbers of windows, and of vectors of channels.

    Examples
    --------
    >>> "fcmp" in source(Window("float32", 16, "largest", 4), host())
    True
    """
    code = Emitter(target, "one_pool", PARAMETERS)
    x, y, windows, shares, count, vectors = code.arguments
    dtype, lanes = window.dtype, window.lanes
    with code.loop(0, count) as one:
        entry = code.at(windows, "int64", code.index((one, 1 + window.pixels)))
        out = code.at(y, dtype, integer_at(code, entry, 0))
        with code.loop(0, vectors) as vector:
            channel = code.index((vector, lanes))
            found = _emit_window(code, window, x, entry, channel)
            if window.what == "mean":
                found = code.mul(found, code.broadcast(shares, dtype, lanes, one))
            code.store(found, out, channel)
    return code.finish()


def _emit_window(code: Emitter, window: Window, x: Value, entry: Value, channel: Value) -> Value:
    def value(number: int | Value) -> Value:
        place = code.index(integer_at(code, entry, code.index(number, 1)), channel)
        return code.load(x, window.dtype, window.lanes, place)

    join = _largest if window.what == "largest" else Emitter.add
    found = [value(0)]
    if window.pixels <= _MOST_UNROLLED:
        for number in range(1, window.pixels):
            found[0] = join(code, found[0], value(number))
    else:
        with code.loop(1, window.pixels, carried=found) as number:
            found[0] = join(code, found[0], value(number))
    return found[0]


def _largest(code: Emitter, best: Value, value: Value) -> Value:
    # A NaN that was found compares with nothing and stays; a new one is taken.
    larger = code.builder.fcmp_ordered(">", value, best)
    best = code.builder.select(larger, value, best)
    return code.builder.select(code.builder.fcmp_unordered("uno", value, value), value, best)
