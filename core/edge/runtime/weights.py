"""Weights from the bytes of a bundle, and as the machine code reads them."""

from typing import Any

import numpy as np

from core.edge.runtime.views import aligned

_STORED = {"fp32": "<f4", "fp16": "<f2", "int8": "i1"}


def decoded(data: bytes, entry: "dict[str, Any]") -> "np.ndarray[Any, Any]":
    """Return one array of ``weights.bin`` as float32.

    Parameters
    ----------
    data : bytes
        The whole of ``weights.bin``.
    entry : dict
        Its entry in the manifest: ``shape``, ``stored`` (fp32, fp16 or int8), ``at`` in bytes; of
        int8 also ``scales_at``, where a float32 for each of the last axis lies that the integers
        are multiplied by.

    Examples
    --------
    >>> data = np.float32([0.5, 2]).tobytes() + np.int8([2, 3]).tobytes()
    >>> decoded(data, {"shape": [1, 2], "stored": "int8", "at": 8, "scales_at": 0})
    array([[1., 6.]], dtype=float32)
    """
    shape = tuple(entry["shape"])
    count = 1
    for side in shape:
        count *= side
    raw = np.frombuffer(data, _STORED[entry["stored"]], count, entry["at"])
    values = raw.reshape(shape).astype(np.float32)
    if entry["stored"] == "int8":
        values *= np.frombuffer(data, "<f4", shape[-1], entry["scales_at"])
    return values


def packed(
    arrays: "list[np.ndarray[Any, Any]]", places: "list[dict[str, Any]]", length: int
) -> "np.ndarray[Any, Any]":
    """Return the arrays one after the other, in the order in which machine code reads them.

    Parameters
    ----------
    arrays : list of ndarray
        Matrices ``(inputs, outputs)`` and vectors.
    places : list of dict
        For each, ``at`` in numbers, and ``width`` of a matrix, which is cut into groups of so many
        outputs; what is missing of the last one is zero.
    length : int
        Numbers in all.

    Examples
    --------
    >>> packed([np.float32([[1, 2, 3], [4, 5, 6]])], [{"at": 0, "width": 2}], 8)
    array([1., 2., 4., 5., 3., 0., 6., 0.], dtype=float32)
    """
    found = aligned(length)
    for array, place in zip(arrays, places):
        at = place["at"]
        if array.ndim == 1:
            found[at : at + len(array)] = array
            continue
        (rows, outputs), width = array.shape, place["width"]
        for first in range(0, outputs, width):
            part = array[:, first : first + width]
            found[at : at + rows * width].reshape(rows, width)[:, : part.shape[1]] = part
            at += rows * width
    return found
