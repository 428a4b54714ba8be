"""What becomes of the sums of a batch-last convolution before they are stored."""

from __future__ import annotations

from dataclasses import dataclass

from core.conv.codegen.batch_last_pointwise import rectified
from core.conv.codegen.emit import Emitter, Integer, Value


@dataclass(frozen=True)
class Epilogue:
    """Whether a number per output channel is added, and whether what is negative becomes 0."""

    bias: bool = False
    rectified: bool = False


PLAIN = Epilogue()


def emit_epilogue(
    code: Emitter, epilogue: Epilogue, dtype: str, total: Value, bias: Value, channel: Integer
) -> Value:
    """Write what is stored for the vector ``total`` of output ``channel``.

    ``bias`` is the address of the numbers of all channels; nobody reads it where none is added.
    """
    if epilogue.bias:
        total = code.add(total, code.broadcast(bias, dtype, total.type.count, channel))
    return rectified(code, total, dtype) if epilogue.rectified else total
