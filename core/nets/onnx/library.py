"""The one place that imports onnx, which is an extra and takes a while."""

from __future__ import annotations

import importlib
from types import ModuleType

from core.errors import Unavailable


def onnx(part: str = "") -> ModuleType:
    """Return the module ``onnx``, or a part of it such as ``"helper"``.

    Raises
    ------
    Unavailable
        If it is not installed.

    Examples
    --------
    >>> onnx("helper").__name__
    'onnx.helper'
    """
    try:
        return importlib.import_module(f"onnx.{part}" if part else "onnx")
    except ImportError:
        raise Unavailable(
            "ONNX files need the package onnx; install it with: pip install 'convq[onnx]'"
        ) from None
