"""What the writers of steps have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from core.conv.codegen.emit import Emitter, Integer, Value

Document: TypeAlias = "dict[str, Any]"

FLOAT = "float32"


@dataclass(frozen=True, eq=False)
class Writing:
    """A function that is being written.

    Attributes
    ----------
    code : Emitter
        Its code.
    lanes : int
        Numbers of a vector register.
    arena, weights, image : Value
        What it is given: addresses.
    places : list of dict
        Where the weights are, by number.
    """

    code: Emitter
    lanes: int
    arena: Value
    weights: Value
    image: Value
    places: list[dict[str, Any]]

    def load(self, at: Integer, lanes: int) -> Value:
        """Load numbers of the arena."""
        return self.code.load(self.arena, FLOAT, lanes, at)

    def store(self, vector: Value, at: Integer) -> None:
        """Store numbers into the arena."""
        self.code.store(vector, self.arena, at)

    def zero(self, lanes: int) -> Value:
        """Return zeros, which are kept before the weights.

        Where registers are few, LLVM would put its own zeros beside the code.
        """
        return self.code.load(self.weights, FLOAT, lanes)

    def constant(self, array: int, number: int, lanes: int) -> Value:
        """Return a number of a kept vector in all lanes: code holds no constants of its own."""
        return self.code.broadcast(self.weights, FLOAT, lanes, self.places[array]["at"] + number)

    def kept(self, array: int, offset: Integer, lanes: int) -> Value:
        """Load numbers of a kept vector."""
        at = self.code.index(self.places[array]["at"], offset)
        return self.code.load(self.weights, FLOAT, lanes, at)

    def along(self, length: int, body: Callable[[Value, int], None]) -> None:
        """Go along ``length`` numbers, a vector at a time and then one by one."""
        full = length // self.lanes * self.lanes
        with self.code.loop(0, full, self.lanes) as at:
            body(at, self.lanes)
        with self.code.loop(full, length) as at:
            body(at, 1)

    def activated(self, step: Document, value: Value) -> Value:
        """Return the rectifier of a value, if the step asks for one; NaN stays."""
        if step.get("act") is None:
            return value
        lanes: int = value.type.count
        zero = self.zero(lanes)
        below = zero
        if step["act"][0] == "leaky_relu":
            below = self.code.mul(value, self.constant(step["constants"], 0, lanes))
        return self.code.builder.select(
            self.code.builder.fcmp_ordered("<", value, zero), below, value
        )


def is_rectifier(step: Document) -> bool:
    """Return whether the nonlinearity of a step is one that `Writing.activated` knows."""
    return step.get("act") is None or step["act"][0] in ("relu", "leaky_relu")
