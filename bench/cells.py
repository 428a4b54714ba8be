"""The problems that are measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

KERNELS_2D = (3, 5, 7, 9, 11, 15, 21, 31, 63, 127)
SIZES_2D = (256, 512, 1024, 2048, 4096)
# Images, channels in and out, side, kernel side.
NETS = (
    (64, 1, 6, 28, 5),
    (64, 1, 32, 28, 3),
    (64, 32, 64, 28, 3),
    (64, 32, 64, 14, 3),
    (64, 64, 128, 14, 5),
    (64, 64, 128, 7, 3),
    (1, 64, 64, 56, 3),
    (16, 64, 64, 56, 3),
    (4, 32, 32, 32, 13),
    (4, 32, 32, 32, 15),
    (4, 32, 32, 32, 21),
    (4, 32, 32, 32, 31),
)


_NET_FAMILIES = (("net", ""), ("net-step", "step "))


@dataclass(frozen=True)
class Cell:
    """One problem: a family, which decides the peers, and its arrays.

    Attributes
    ----------
    family : str
        ``dense-2d``, ``gaussian``, ``box``, ``photo``, ``dense-1d``, ``channels-1d``, ``dense-3d``,
        ``net`` (forward) or ``net-step`` (forward and both gradients).
    name : str
        For the table.
    shape, kernel : tuple of int
        Of the input and the kernel; of nets (N, C, *S) and (O, C / groups, *K).
    groups : int
        Of nets.
    """

    family: str
    name: str
    shape: tuple[int, ...]
    kernel: tuple[int, ...]
    groups: int = 1

    @property
    def is_net(self) -> bool:
        """Whether channels are summed."""
        return self.family.startswith("net")

    @property
    def multiply_adds(self) -> int:
        """What the definition takes, of outputs as many as inputs."""
        outputs = math.prod(self.shape)
        if self.is_net:
            outputs = self.shape[0] * self.kernel[0] * math.prod(self.shape[2:])
            steps = 3 if self.family == "net-step" else 1
            return steps * outputs * math.prod(self.kernel[1:])
        return outputs * math.prod(self.kernel)

    def arrays(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return input and kernel, the same at each call."""
        rng = np.random.default_rng(0)
        if self.family == "photo":
            x: NDArray[Any] = rng.integers(0, 256, self.shape, dtype=np.uint8)
        else:
            x = rng.standard_normal(self.shape, dtype=np.float32)
        if self.family == "gaussian":
            line = np.zeros(self.kernel[0])
            line[len(line) // 2] = 1
            line = scipy.ndimage.gaussian_filter1d(line, self.kernel[0] / 6)
            w: NDArray[Any] = np.outer(line, line)
        elif self.family == "box":
            w = np.full(self.kernel, 1 / np.prod(self.kernel))
        else:
            w = rng.standard_normal(self.kernel) / np.sqrt(np.prod(self.kernel))
        return x, w.astype(np.float32)


def all_cells() -> list[Cell]:
    """Return every cell of the benchmark."""
    return [
        *(
            Cell("dense-2d", f"{n}² * {k}²", (n, n), (k, k))
            for n, k in product(SIZES_2D, KERNELS_2D)
        ),
        *(
            Cell(family, f"{family} {n}² * {k}²", (n, n), (k, k))
            for family, n, k in product(("gaussian", "box"), (512, 2048), KERNELS_2D)
        ),
        *(
            Cell("photo", f"uint8 RGB 1500×2000 * {k}²", (1500, 2000, 3), (k, k))
            for k in (3, 9, 31, 63)
        ),
        *(
            Cell("dense-1d", f"{n} * {k}", (n,), (k,))
            for n, k in product((10**3, 10**5, 10**7), (3, 31, 1001, 100_001))
            if k < n
        ),
        *(Cell("channels-1d", f"64×64000 * {k}", (64, 64000), (k,)) for k in (1024, 2048)),
        *(
            Cell("dense-3d", f"128³ * {k}³", (128, 128, 128), (k, k, k))
            for k in (3, 5, 7, 9, 11, 15)
        ),
        *(
            Cell(family, f"{prefix}N{n} C{c} O{o} {s}² k{k}", (n, c, s, s), (o, c, k, k))
            for (family, prefix), (n, c, o, s, k) in product(_NET_FAMILIES, NETS)
        ),
        *(
            Cell(
                family,
                f"{prefix}N8 C64 depthwise 56² k{k}",
                (8, 64, 56, 56),
                (64, 1, k, k),
                groups=64,
            )
            for (family, prefix), k in product(_NET_FAMILIES, (7, 15, 31))
        ),
    ]
