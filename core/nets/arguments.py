"""Whether weights and images are those of a net."""

from __future__ import annotations

from collections.abc import Mapping

from core.arrays import Array
from core.errors import InvalidInput
from core.nets.layer import Parameter, Shape, Weights


def check_images(x: Array, shape: Shape, *, words: bool) -> None:
    """Refuse what is no batch of images of a shape, or no words where the net reads words.

    Examples
    --------
    >>> import numpy as np
    >>> check_images(np.zeros((2, 1, 4)), (1, 4), words=False)
    """
    if x.ndim == 0 or len(x) == 0 or x.shape[1:] != shape:
        raise InvalidInput(
            "these are no images for this net",
            field="x",
            given=x.shape,
            accepted=f"one or more of shape {shape}, the batch first",
        )
    if words and x.dtype.kind not in "iu":
        raise InvalidInput(
            "words are given by their numbers", field="x", given=str(x.dtype), accepted="integers"
        )


def check_weights(weights: Weights, wanted: Mapping[str, Parameter]) -> None:
    """Refuse weights of which one is missing or has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> check_weights({"dense1.bias": np.zeros(3)}, {"dense1.bias": Parameter((3,))})
    """
    for name, parameter in wanted.items():
        if name not in weights or weights[name].shape != parameter.shape:
            raise InvalidInput(
                "a weight is missing" if name not in weights else "a weight has another shape",
                field=f"weights.{name}",
                given=weights[name].shape if name in weights else None,
                accepted=f"an array of shape {parameter.shape}",
            )
