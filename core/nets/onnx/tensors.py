"""Arrays in an ONNX file: those that are in the file itself, of the types that NumPy has."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.arrays import Array
from core.errors import InvalidInput, UnsupportedMedia
from core.nets.onnx.library import onnx

# The names of TensorProto.DataType are its own; these are NumPy's for them.
_DTYPES = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "FLOAT16": "float16",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "BOOL": "bool",
}


def dtype_of(number: int, field: str) -> np.dtype[Any]:
    """Return the dtype of ONNX's element type ``number``.

    Raises
    ------
    InvalidInput
        NumPy has no such type (bfloat16, text, 4 bits …).
    """
    known = onnx().TensorProto.DataType
    name = known.Name(number) if number in known.values() else str(number)
    if name not in _DTYPES:
        raise InvalidInput(
            "no element type that convq computes with", field=field, given=name, accepted=[*_DTYPES]
        )
    return np.dtype(_DTYPES[name])


def to_array(tensor: Any, name: str) -> Array:
    """Return a ``TensorProto`` as a read-only array.

    Raises
    ------
    InvalidInput
        Its values are in another file, or are of an unsupported type.
    UnsupportedMedia
        It holds another number of values than its shape says.
    """
    if tensor.external_data or tensor.data_location == onnx().TensorProto.EXTERNAL:
        raise InvalidInput(
            "the values are in another file, which is not read",
            field=name,
            given=[entry.value for entry in tensor.external_data],
            accepted="a file that holds its weights: onnx.save with save_as_external_data=False",
        )
    dtype = dtype_of(tensor.data_type, name)
    try:
        array = onnx("numpy_helper").to_array(tensor)
    except (ValueError, TypeError) as error:
        raise UnsupportedMedia(
            f"a damaged array ({error})", field=name, given=f"{dtype} {list(tensor.dims)}"
        ) from None
    array.flags.writeable = False
    return array
