"""A bundle that is ready to predict."""

import ctypes
import time
from functools import partial
from typing import Any, Callable, Optional

import numpy as np

from core.edge.runtime.container import CODE, SAMPLES, TABLES, WEIGHTS, Container
from core.edge.runtime.device import OnDevice, usable
from core.edge.runtime.errors import Damaged, EdgeError
from core.edge.runtime.machine import Code, chosen
from core.edge.runtime.program import Calls, outcome, program
from core.edge.runtime.steps import Room
from core.edge.runtime.views import aligned
from core.edge.runtime.weights import decoded, packed

# Of which the shortest counts.
_TRIES = 5


class EdgeModel:
    """A net that predicts one image at a time, in memory that is reserved beforehand.

    Parameters
    ----------
    path : str
        A bundle, or a standalone bundle.
    trusted : bytes, optional
        The public key that must have signed it.
    machine_code : bool
        Whether to use the bundle's machine code, where this processor can, and a GPU, where CuPy
        is installed and it is faster; else NumPy computes.

    Attributes
    ----------
    manifest : dict
        What the bundle says of itself.
    key : bytes
        Who signed it.
    input_shape, output_shape : tuple of int
        Of one image.
    notes : list of str
        What runs otherwise than the bundle was made for, and why; empty if nothing does.

    Raises
    ------
    EdgeError
        The bundle is damaged, or signed by somebody else.
    """

    def __init__(
        self, path: str, trusted: "Optional[bytes]" = None, machine_code: bool = True
    ) -> None:
        container = Container(path, trusted)
        try:
            self.manifest = container.manifest
            self.key = container.key
            plan = self.manifest["plan"]
            self.input_shape = tuple(plan["input"])  # type: tuple[int, ...]
            self.output_shape = tuple(plan["output"])  # type: tuple[int, ...]
            self.notes = []  # type: list[str]
            data = container.read(WEIGHTS)
            weights = [decoded(data, entry) for entry in plan["weights"]]
            self._samples = container.read(SAMPLES)
            self._x = np.zeros(self.input_shape, np.float32)
            self._arena = aligned(plan["arena"])
            calls = self._calls(container, weights) if machine_code else {}
        finally:
            container.close()
        # From here on weights are kept by what was made of them.
        room = Room(self._arena, np.zeros(0, np.float32), weights)
        self._steps = program(plan, room, self._x, calls)
        self._output = outcome(plan, room)
        self._compute = self._on_processor  # type: Callable[[np.ndarray[Any, Any]], Any]
        if machine_code:
            self._look_for_device(plan, weights)

    def predict(self, x: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return what the net says of one image.

        Parameters
        ----------
        x : ndarray, shape (*input_shape)
            Real numbers.

        Returns
        -------
        ndarray of float32, shape (*output_shape)
            The same memory every time: copy what is to be kept.

        Raises
        ------
        EdgeError
            ``x`` has another shape.
        """
        if x.shape != self.input_shape:
            raise EdgeError(
                "this is no image for the net", "input", given=x.shape, accepted=self.input_shape
            )
        np.copyto(self._x, x, casting="same_kind" if x.dtype.kind == "f" else "unsafe")
        return self._compute(self._x)  # type: ignore[no-any-return]

    def _on_processor(self, _: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        with np.errstate(all="ignore"):
            for step in self._steps:
                step()
        return self._output

    def _look_for_device(
        self, plan: "dict[str, Any]", weights: "list[np.ndarray[Any, Any]]"
    ) -> None:
        """Let a GPU compute if there is one that says the same and is faster."""
        cupy, why = usable()
        if cupy is not None:
            try:
                device = OnDevice(cupy, plan, weights)
                self._compute = device.predict
                self.self_test()
                there, here = self._seconds(device.predict), self._seconds(self._on_processor)
                if there < here:
                    self.notes.append(
                        "the GPU computes, with CuPy: {:.3g} ms for an image instead of "
                        "{:.3g} ms".format(1e3 * there, 1e3 * here)
                    )
                    return
                why = "{:.3g} ms for an image instead of {:.3g} ms".format(1e3 * there, 1e3 * here)
            except Exception as error:  # noqa: BLE001 - whatever it is, the processor computes
                why = str(error)
            self._compute = self._on_processor
        if why is not None:
            self.notes.append("the GPU is not used: {}".format(why))

    def _seconds(self, compute: "Callable[[np.ndarray[Any, Any]], Any]") -> float:
        times = []
        for _ in range(_TRIES):
            began = time.perf_counter()
            compute(self._x)
            times.append(time.perf_counter() - began)
        return min(times)

    def self_test(self) -> float:
        """Predict the samples that came with the bundle.

        Returns
        -------
        float
            The largest difference to what was expected, as a share of the tolerance.

        Raises
        ------
        Damaged
            It is more than 1: this box computes something else.
        """
        samples = self.manifest["samples"]
        flat = np.frombuffer(self._samples, "<f4").reshape(samples["count"], -1)
        inputs = self._x.size
        worst = 0.0
        for row in flat:
            found = self.predict(row[:inputs].reshape(self.input_shape)).reshape(-1)
            difference = np.abs(found - row[inputs:]).max() / samples["tolerance"]
            worst = max(worst, float(difference) if np.isfinite(difference) else float("inf"))
        if worst > 1:
            raise Damaged(
                "the self-test failed: samples come out differently here",
                "bundle.samples",
                given="{:.3g} times the tolerance".format(worst),
                accepted="at most 1",
            )
        return worst

    def _calls(self, container: Container, weights: "list[np.ndarray[Any, Any]]") -> "Calls":
        """Return the functions of machine code, if there is some for this processor."""
        about = self.manifest["code"]
        variant, why = chosen(about)
        if variant is not None:
            try:
                expected = container.read(CODE)
                code = Code(container.path, container.place(CODE), len(expected), expected)
                return self._bound(code, variant, container.read(TABLES), weights)
            except OSError as error:
                why = "it cannot be mapped ({})".format(error)
        self.notes.append("machine code is not used, NumPy computes instead: {}".format(why))
        return {}

    def _bound(
        self,
        code: Code,
        variant: "dict[str, Any]",
        tables: bytes,
        weights: "list[np.ndarray[Any, Any]]",
    ) -> "Calls":
        self._code = code
        self._packed = packed(weights, variant["places"], variant["packed"])
        first, count = variant["tables"]
        self._tables = np.frombuffer(tables, "<i8", count, 8 * first)
        kept = (self._arena, self._packed, self._tables, self._x)
        addresses = [ctypes.c_void_p(array.ctypes.data) for array in kept]
        return {
            first: (count, partial(code.function(at), *addresses))
            for first, count, at in variant["parts"]
        }
