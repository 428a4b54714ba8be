"""The problems that are measured on a GPU."""

from __future__ import annotations

from bench.cells import NETS, Cell

KERNELS_2D = (3, 5, 7, 9, 11, 15, 21, 31, 63, 127)
SIDE = 4096
# Larger kernels are convolved by transforms, which are float32.
_MOST_TAPS = 5


def every_cell() -> list[Cell]:
    """Return pictures under kernels of all sizes, long lines, pictures of the host, and nets.

    Thirty-two pictures also come one by one to the same kernel, which convq has as an array or
    fixed (`core.conv.FixedKernel`).

    Nets once more with each precision of products that tensor cores have.

    Examples
    --------
    >>> [cell.name for cell in every_cell()][:2]
    ['4096² * 3²', '4096² * 5²']
    """
    return [
        *(Cell("dense-2d", f"{SIDE}² * {k}²", (SIDE, SIDE), (k, k)) for k in KERNELS_2D),
        *(Cell("gaussian", f"gaussian {SIDE}² * {k}²", (SIDE, SIDE), (k, k)) for k in (9, 31, 63)),
        *(Cell("channels-1d", f"64×64000 * {k}", (64, 64000), (k,)) for k in (31, 1024, 2048)),
        *(
            Cell(family, f"32 × 1024² * {k}²{told}", (32, 1024, 1024), (k, k))
            for k in (9, 31, 127)
            for family, told in (("one-kernel", ""), ("fixed-kernel", ", fixed"))
        ),
        *(
            Cell("from-host", f"4 from the host, {SIDE}² * {k}²", (4, SIDE, SIDE), (k, k))
            for k in (9, 63)
        ),
        *(
            Cell(family, f"{prefix}N{n} C{c} O{o} {s}² k{k}", (n, c, s, s), (o, c, k, k))
            for family, prefix in (("net", ""), ("net-step", "step "))
            for n, c, o, s, k in NETS
        ),
        *(
            Cell(f"net-{name}", f"{name} N{n} C{c} O{o} {s}² k{k}", (n, c, s, s), (o, c, k, k))
            for name in ("tf32", "bfloat16")
            for n, c, o, s, k in NETS
            if c > 1 and k <= _MOST_TAPS
        ),
    ]
