"""A GPU, where CuPy is installed and a device answers: the same steps, with CuPy for NumPy."""

import sys
from importlib.util import find_spec
from typing import Any, Optional, Tuple

import numpy as np

from core.edge.runtime.program import outcome, program
from core.edge.runtime.steps import Room


def usable() -> "Tuple[Any, Optional[str]]":
    """Return CuPy, or else None and why it is not used; without a reason if it is not installed."""
    if "cupy" not in sys.modules and find_spec("cupy") is None:
        return None, None
    try:
        import cupy

        if not cupy.cuda.runtime.getDeviceCount():
            return None, "there is no device"
        # A driver that does not suit is found out by this.
        cupy.zeros(1, np.float32).get()
    except Exception as error:  # noqa: BLE001 - CuPy's own kinds, of which there are many
        return None, "CuPy finds no device that answers ({})".format(error)
    return cupy, None


class OnDevice:
    """The steps of a plan on a GPU.

    Parameters
    ----------
    cupy : module
        As `usable` returns it.
    plan : dict
        Of the manifest.
    weights : list of ndarray
        By number.
    """

    def __init__(
        self, cupy: "Any", plan: "dict[str, Any]", weights: "list[np.ndarray[Any, Any]]"
    ) -> None:
        self._x = cupy.zeros(tuple(plan["input"]), np.float32)
        nothing = cupy.zeros(0, np.float32)
        arena = cupy.zeros(plan["arena"], np.float32)
        room = Room(arena, nothing, [cupy.asarray(array) for array in weights], cupy)
        self._steps = program(plan, room, self._x, {})
        self._output = outcome(plan, room)  # type: Any

    def predict(self, x: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return what the net says of an image, which goes to the device and comes back."""
        self._x.set(x)
        for step in self._steps:
            step()
        return self._output.get()  # type: ignore[no-any-return]
