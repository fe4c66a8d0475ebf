"""Plain float32 ONNX: effective weights, quantizers written out in float operations."""

from qconvert.emit import quantizers
from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.dialects.protocol import Kernel
from qconvert.emit.shield import unfolded
from qconvert.emit.values import Value
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Quantizer


class FloatDialect:
    """For tools that know no quantization; integers are there only to keep factors from folding."""

    integer_kernels = False

    def quantize(self, b: Builder, x: Value, quantizer: Quantizer) -> Value:
        """The quantizer's own float operations."""
        return Value(quantizers.apply(b, x, quantizer), x.layout)

    def kernel(self, b: Builder, x: Value, weight: Weight) -> Kernel:
        """The effective weight."""
        return Kernel(b.constant(weight.array, "kernel"))

    def takes_codes(self, x: Value, weight: Weight) -> bool:
        """There are none that one could take for floats."""
        return True

    def bias(
        self, b: Builder, x: Value, kernel: Kernel, array: F32, *, early: bool
    ) -> Tensor | None:
        """An input of convolutions, which add it to the finished sum."""
        return None if early else b.constant(array, "bias")

    def multiplies_integers(self, x: Value, weight: Weight, bias: F32) -> bool:
        """There are no integers."""
        return False

    def constant(self, b: Builder, array: F32, name: str) -> Tensor:
        """An initializer, or where it could be folded a dequantized one."""
        return unfolded(b, array, name)
