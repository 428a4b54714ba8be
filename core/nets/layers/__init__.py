"""The layers that convq knows; a new one is one file and one line here."""

from __future__ import annotations

from typing import Any

from core.nets.layer import Layer
from core.nets.layers import dense

LAYERS: tuple[Layer[Any], ...] = (dense.LAYER,)
