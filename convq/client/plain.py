"""What callers write in a job, as JSON has it: NumPy's numbers and arrays become lists."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from core.errors import InvalidInput


def plain(value: Any, field: str) -> Any:
    """Return a value with nothing in it but what JSON knows.

    Parameters
    ----------
    value : object
        Numbers, text, None, and lists, tuples, mappings and arrays of them, nested in any way.
    field : str
        Where it stands in the job, for the error.

    Raises
    ------
    InvalidInput
        If JSON knows nothing like a part of it; names that part.

    Examples
    --------
    >>> import numpy as np
    >>> plain({"values": [np.ones(2), (np.int8(3), 4)]}, "kernel")
    {'values': [[1.0, 1.0], [3, 4]]}
    >>> plain({"sigma": 1j}, "kernel")
    Traceback (most recent call last):
    core.errors.InvalidInput: kernel.sigma: this cannot be ... (given: 'complex'; accepted: ...
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, str) and _is_unicode(value):
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(part, f"{field}.{name}") for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part, f"{field}.{index}") for index, part in enumerate(value)]
    # Arrays and scalars of NumPy and CuPy; their lists hold Python's own numbers.
    if hasattr(value, "tolist") and not isinstance(value, float):
        return plain(value.tolist(), field)
    raise InvalidInput(
        "this cannot be part of a job",
        field=field,
        given=value if isinstance(value, float | str) else type(value).__name__,
        accepted="finite numbers, text, true, false, null, and lists, objects and arrays of them",
    )


def _is_unicode(text: str) -> bool:
    # File names that are no UTF-8 reach Python as text that cannot be written as UTF-8 again.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
