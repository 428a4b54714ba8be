"""One image brought from channels-first to channels-last, number by number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

from core.conv.codegen.channels_transpose import integer_at
from core.conv.codegen.emit import Emitter, Kind
from core.conv.codegen.library import Kernel, load
from core.conv.codegen.target import Target, host

PARAMETERS: tuple[Kind, ...] = ("pointer",) * 3 + ("integer",) * 3
# So many channels are taken at a time.
_MOST_UNROLLED = 8


@dataclass(frozen=True)
class Interleaving:
    """What a kernel is specialised for.

    Attributes
    ----------
    dtype : str
        Of the numbers.
    channels : int
        Of a pixel.
    pitch : int
        From one pixel to the next, channels-last.
    """

    dtype: str
    channels: int
    pitch: int


@lru_cache(maxsize=256)
def kernel(spec: Interleaving) -> Kernel:
    """Return the compiled kernel for this machine; for its arguments see `source`."""
    return load(partial(source, spec, host()), "one_interleave", PARAMETERS)


def source(spec: Interleaving, target: Target) -> str:
    """Return the IR of a kernel.

    Its arguments:

    - the addresses of the input, channels-first, and of the output;
    - a table of rows: how far each begins in a channel of the input, and in the output;
    - the numbers of rows, of pixels in a row, and of pixels in a channel.

    Examples
    --------
    >>> "load" in source(Interleaving("float32", 3, 3), host())
    True
    """
    code = Emitter(target, "one_interleave", PARAMETERS)
    x, y, rows, count, length, plane = code.arguments
    dtype, step = spec.dtype, min(spec.channels, _MOST_UNROLLED)
    whole = spec.channels - spec.channels % step
    with code.loop(0, count) as row:
        entry = code.at(rows, "int64", code.index((row, 2)))
        into = code.at(x, dtype, integer_at(code, entry, 0))
        out = code.at(y, dtype, integer_at(code, entry, 1))
        for first, last, several in ((0, whole, step), (whole, spec.channels, 1)):
            with code.loop(first, last, several) as channel, code.loop(0, length) as pixel:
                for one in range(several):
                    place = code.index((code.index(channel, one), plane), pixel)
                    number = code.load(into, dtype, 1, place)
                    code.store(number, out, code.index((pixel, spec.pitch), channel, one))
    return code.finish()
