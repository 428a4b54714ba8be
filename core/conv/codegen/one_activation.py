"""What becomes of a sum before it is stored."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from core.conv.codegen.emit import Emitter, Value

Activation: TypeAlias = Literal["identity", "relu", "leaky_relu"]


class Activated(Protocol):
    """A kernel's specialisation that names an activation."""

    @property
    def dtype(self) -> str:
        """Of the vectors."""

    @property
    def lanes(self) -> int:
        """Of a vector."""

    @property
    def activation(self) -> Activation:
        """Its name."""


def activated(code: Emitter, spec: Activated, vector: Value, slope: Value) -> Value:
    """Return the activation of a vector; ``slope`` is the address of that of ``leaky_relu``.

    NaN stays what it is.
    """
    if spec.activation == "identity":
        return vector
    lanes = vector.type.count
    below = code.constant(0, spec.dtype, lanes)
    if spec.activation == "leaky_relu":
        below = code.mul(vector, code.broadcast(slope, spec.dtype, lanes))
    # For slopes up to 1 that is the larger of the two.
    larger = code.builder.fcmp_ordered(">", below, vector)
    return code.builder.select(larger, below, vector)
