"""From layers to steps: `lower`."""

from core.edge.lowering.lower import Lowered, lower

__all__ = ["Lowered", "lower"]
