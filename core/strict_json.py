"""JSON of strangers: what RFC 8259 allows and nothing else, in text that can be written again."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from core.errors import InvalidInput

MAX_DEPTH: Final = 64
"""Objects and lists within each other. What convq reads needs a dozen; what walks a document may
use a frame of the stack for each."""

_SURROGATE: Final = re.compile(r"\\u[dD]")


def parse(data: bytes | str) -> Any:
    """Return the document in ``data``.

    Parameters
    ----------
    data : bytes or str
        Bytes are UTF-8, without a byte order mark.

    Raises
    ------
    InvalidInput
        It is no UTF-8, no JSON (``NaN`` and ``Infinity`` are none), nested too deeply, or holds
        text that is no Unicode (a lone surrogate) or a number beyond float64. The message is the
        reason alone.

    Examples
    --------
    >>> parse(b'{"kind": "convolve"}')
    {'kind': 'convolve'}
    >>> parse("[NaN]")
    Traceback (most recent call last):
        ...
    core.errors.InvalidInput: NaN is no number there
    """
    try:
        text = data if isinstance(data, str) else data.decode()
    except UnicodeDecodeError:
        raise InvalidInput("no UTF-8") from None
    try:
        document = json.loads(text, parse_float=_finite, parse_constant=_no_constant)
        _check_depth(document)
        # Lone surrogates pass as escapes; they could neither be stored nor be sent back. Bytes
        # without such escapes have none.
        if isinstance(data, str) or _SURROGATE.search(text):
            json.dumps(document, ensure_ascii=False).encode()
    except InvalidInput:
        raise
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidInput(f"{error.msg} ({where})") from None
    except UnicodeError:
        raise InvalidInput("text with half a surrogate pair") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # of float64, or of the interpreter's own bound on the digits of an integer
        raise InvalidInput("a number that is too large, or has thousands of digits") from None
    return document


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    return number


def _no_constant(name: str) -> Any:
    raise InvalidInput(f"{name} is no number there")


def _check_depth(document: Any) -> None:
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> InvalidInput:
    return InvalidInput(f"nested too deeply, beyond {MAX_DEPTH} levels")
