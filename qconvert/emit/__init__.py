"""Graph to ONNX: builder, layouts, one lowering an op, dialects."""

from qconvert.emit.model import to_onnx

__all__ = ["to_onnx"]
