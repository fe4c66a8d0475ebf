"""Keeps operators apart that ONNX Runtime would make one of."""

import numpy as np

from qconvert.emit.builder import Builder, Tensor


def shielded(b: Builder, x: Tensor) -> Tensor:
    """*x* times a 1 that no optimizer can see, so that it is left as it is.

    It is an int32: OpenVINO takes a byte for a quantized weight, and fails.
    """
    one = b.op("DequantizeLinear", b.constant(np.array(1, np.int32), "one"), b.scalar(1.0))
    return b.op("Mul", x, one)
