"""Weights in fewer bits: as they are stored in a bundle.

A box multiplies them out and computes with float32, whatever they were stored as.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from core.edge.lowering.state import Numbers
from core.errors import InvalidInput

Precision: TypeAlias = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_LARGEST_INT8 = 127


def stored(arrays: list[Numbers], precision: Precision) -> tuple[bytes, list[dict[str, Any]]]:
    """Return the bytes of all weights, and where each array lies in them.

    Matrices ``(inputs, outputs)`` take the precision asked for, with a scale for each output where
    it is int8; vectors (biases, scales, constants) stay float32.

    Parameters
    ----------
    arrays : list of ndarray
        float32.
    precision : {"fp32", "fp16", "int8"}
        Of the matrices.

    Returns
    -------
    data : bytes
    entries : list of dict
        As `core.edge.runtime.weights.decoded` takes them.

    Raises
    ------
    InvalidInput
        A weight is too large for fp16.

    Examples
    --------
    >>> from core.edge.runtime.weights import decoded
    >>> matrix = np.float32([[1, -8], [0.5, 4]])
    >>> data, entries = stored([matrix], "int8")
    >>> float(abs(decoded(data, entries[0]) - matrix).max()) <= 8 / 127 / 2
    True
    """
    data = bytearray()
    entries = []
    for array in arrays:
        entry: dict[str, Any] = {"shape": list(array.shape)}
        if array.ndim == 1 or precision == "fp32":
            entry |= {"stored": "fp32", "at": _appended(data, array.astype("<f4"))}
        elif precision == "fp16":
            entry |= {"stored": "fp16", "at": _appended(data, _half(array))}
        else:
            scales, integers = _integers(array)
            entry |= {"stored": "int8", "scales_at": _appended(data, scales)}
            entry["at"] = _appended(data, integers)
        entries.append(entry)
    return bytes(data), entries


def _half(array: Numbers) -> NDArray[np.float16]:
    largest = float(np.abs(array).max(initial=0))
    if largest > float(np.finfo(np.float16).max):
        raise InvalidInput(
            "a weight is too large for fp16",
            field="precision",
            given=largest,
            accepted="fp32 or int8 for this model",
        )
    return array.astype("<f2")


def _integers(array: Numbers) -> tuple[Numbers, NDArray[np.int8]]:
    scales = np.abs(array).max(axis=0, initial=0) / _LARGEST_INT8
    # An output that depends on nothing.
    scales[scales == 0] = 1
    return scales.astype("<f4"), np.rint(array / scales).astype(np.int8)


def _appended(data: bytearray, array: NDArray[Any]) -> int:
    data.extend(bytes(-len(data) % 4))
    at = len(data)
    data.extend(array.tobytes())
    return at
