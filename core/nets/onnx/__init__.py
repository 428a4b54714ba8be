"""ONNX: files of other frameworks are run by convq's engine, and convq's nets go out as such."""

from core.nets.onnx.model import OnnxModel, load

__all__ = ["OnnxModel", "load"]
