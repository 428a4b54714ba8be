"""Predictions for one image at a time, with everything done beforehand that can be.

`prepared` takes the layers of a net, folds what can be folded (`fusion`), decides which of them
have kernels and how values lie (`planning`, `layout`, `memory`), and writes the calls of the
kernels into tables (`kernels`, and a file for each `family`).
"""

from core.nets.inference.prepared import Prepared, prepare

__all__ = ["Prepared", "prepare"]
