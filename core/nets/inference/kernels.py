"""Which layers have kernels for one image; the others compute with their own ``forward``."""

from __future__ import annotations

from core.nets.inference import convolutions, dense, pools, rows, transposed
from core.nets.inference.family import Family

FAMILIES: dict[str, Family] = {
    "conv": convolutions.CONV,
    "conv_transpose": transposed.CONV_TRANSPOSE,
    "dense": dense.DENSE,
    "batch_norm": dense.BATCH_NORM,
    "max_pool": pools.MAX,
    "average_pool": pools.MEAN,
    "global_max_pool": pools.GLOBAL_MAX,
    "global_average_pool": pools.GLOBAL_MEAN,
    "relu": rows.ROWS,
    "leaky_relu": rows.ROWS,
    "elu": rows.ROWS,
    "tanh": rows.ROWS,
    "sigmoid": rows.ROWS,
    "add": rows.ROWS,
    "concatenate": rows.CONCATENATE,
}
