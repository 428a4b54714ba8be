"""From a net to steps: fused layers, tensors in buffers."""

from core.edge.lowering.lower import lower, with_borders

__all__ = ["lower", "with_borders"]
