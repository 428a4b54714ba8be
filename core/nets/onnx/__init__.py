"""ONNX: files of other frameworks are run by convq's engine, and convq's nets go out as such."""

from core.nets.onnx.model import OnnxModel, load
from core.nets.onnx.writing import export

__all__ = ["OnnxModel", "export", "load"]
