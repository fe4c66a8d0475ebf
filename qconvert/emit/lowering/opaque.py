"""A layer that another converter has written in ONNX, as a part of our graph."""

import numpy as np
import onnx
from onnx import version_converter

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.dialects.protocol import Dialect
from qconvert.emit.values import Value, natural, relayout
from qconvert.errors import UsageError
from qconvert.ir.ops import Opaque


def spliced(op: Opaque, inputs: tuple[Value, ...], b: Builder, dialect: Dialect) -> Value:
    """The nodes of the fragment, in our opset, between tensors in Keras's layout."""
    model = _in_opset(op, b.opset)
    tensors = [_apart(b, relayout(b, x, natural(x.rank)), dialect) for x in inputs]
    return Value(b.splice(model.graph, tensors), natural(len(op.shape)))


def _in_opset(op: Opaque, opset: int) -> onnx.ModelProto:
    model = onnx.load_model_from_string(op.fragment)
    (own,) = (each.version for each in model.opset_import if each.domain == "")
    if own == opset:
        return model
    try:
        return version_converter.convert_version(model, opset)
    except Exception as error:
        # The converter, which is C++, has no error classes of its own.
        raise UsageError(
            "QC002",
            f"the {op.class_name} of {op.converter} cannot be brought to opset {opset}: {error}",
        ) from error


def _apart(b: Builder, x: Value, dialect: Dialect) -> Tensor:
    """Times a 1 that no optimizer sees, where integers precede.

    ONNX Runtime would quantize float weights that are multiplied with dequantized numbers.
    """
    if x.codes is None:
        return x.tensor
    return b.op("Mul", x.tensor, dialect.constant(b, np.ones(1, np.float32), "one"))
