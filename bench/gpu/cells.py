"""The problems that are measured on a GPU."""

from __future__ import annotations

from bench.cells import NETS, Cell

KERNELS_2D = (3, 5, 7, 9, 11, 15, 21, 31, 63, 127)
SIDE = 4096


def every_cell() -> list[Cell]:
    """Return pictures under kernels of all sizes, long lines, pictures of the host, and nets.

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
            Cell("from-host", f"4 from the host, {SIDE}² * {k}²", (4, SIDE, SIDE), (k, k))
            for k in (9, 63)
        ),
        *(
            Cell(family, f"{prefix}N{n} C{c} O{o} {s}² k{k}", (n, c, s, s), (o, c, k, k))
            for family, prefix in (("net", ""), ("net-step", "step "))
            for n, c, o, s, k in NETS
        ),
    ]
