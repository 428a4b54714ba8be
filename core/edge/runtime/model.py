"""A bundle that is ready to predict."""

import ctypes
from functools import partial
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np

from core.edge.runtime.container import CODE, SAMPLES, TABLES, WEIGHTS, Container
from core.edge.runtime.errors import Damaged, EdgeError
from core.edge.runtime.machine import Code, chosen
from core.edge.runtime.steps import Room, compute
from core.edge.runtime.views import aligned, view
from core.edge.runtime.weights import decoded, packed

Calls = Dict[int, Tuple[int, Callable[[], None]]]
"""Functions by the number of the first step that they compute, with how many they compute."""


class EdgeModel:
    """A net that predicts one image at a time, in memory that is reserved beforehand.

    Parameters
    ----------
    path : str
        A bundle, or a standalone bundle.
    trusted : bytes, optional
        The public key that must have signed it.
    machine_code : bool
        Whether to use the bundle's machine code, where this processor can.

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
        self._steps = self._prepared(plan, weights, calls)
        self._output = _shaped(view(self._arena, plan["result"]), self.output_shape)

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
        with np.errstate(all="ignore"):
            for step in self._steps:
                step()
        return self._output

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

    def _prepared(
        self,
        plan: "dict[str, Any]",
        weights: "list[np.ndarray[Any, Any]]",
        calls: "Calls",
    ) -> "list[Callable[[], None]]":
        room = Room(self._arena, np.zeros(0, np.float32), weights)
        covered = {first + i for first, (count, _) in calls.items() for i in range(count)}
        scratch = [s["scratch"] for i, s in enumerate(plan["steps"]) if i not in covered]
        room.scratch = np.zeros(max(scratch + [0]), np.float32)
        found = []
        for number, step in enumerate(plan["steps"]):
            if number in calls:
                found.append(calls[number][1])
            elif number not in covered:
                found.append(self._input(step) if step["op"] == "input" else _step(step, room))
        return found

    def _input(self, step: "dict[str, Any]") -> "Callable[[], None]":
        y = view(self._arena, step["y"])
        x = _shaped_like(self._x, y.shape)
        return lambda: np.copyto(y, x)


def _step(step: "dict[str, Any]", room: Room) -> "Callable[[], None]":
    return compute[step["op"]](step, room)


def _shaped_like(x: "np.ndarray[Any, Any]", shape: "tuple[int, ...]") -> "np.ndarray[Any, Any]":
    return x.reshape(shape)


def _shaped(y: "np.ndarray[Any, Any]", shape: "tuple[int, ...]") -> "np.ndarray[Any, Any]":
    """Return a view ``(channels, rows, columns)`` in the shape of the output."""
    channels, rows, columns = y.strides[0], y.strides[1], y.strides[2]
    strides = {1: (channels,), 2: (channels, columns), 3: (channels, rows, columns)}[len(shape)]
    return np.lib.stride_tricks.as_strided(y, shape, strides)
