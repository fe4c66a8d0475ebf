"""What a dialect decides."""

from dataclasses import dataclass
from typing import Protocol

from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import WeightCodes
from qconvert.emit.values import Value
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Quantizer


@dataclass(frozen=True, slots=True, eq=False)
class Kernel:
    """A weight in the graph; ``codes`` if integer kernels can take it."""

    tensor: Tensor
    codes: WeightCodes | None = None


class Dialect(Protocol):
    """The representation of quantized activations, weights and constants."""

    #: Whether it may state what integer kernels compute.
    integer_kernels: bool

    def quantize(self, b: Builder, x: Value, quantizer: Quantizer) -> Value:
        """Apply an activation quantizer."""

    def kernel(self, b: Builder, x: Value, weight: Weight) -> Kernel:
        """The weight that *x* is multiplied with."""

    def takes_codes(self, x: Value, weight: Weight) -> bool:
        """Whether the *weight* is one of integers beside the codes of *x*, if it has some.

        If not, runtimes must not see that *x* has codes: they would round the weight for these.
        """

    def bias(
        self, b: Builder, x: Value, kernel: Kernel, array: F32, *, early: bool
    ) -> Tensor | None:
        """A bias as an input of the product, or ``None`` if it has to be added behind.

        *early* of a ``Gemm``, which ONNX Runtime has add floats to the first of several partial
        sums: a bias off the grid of the products is rounded before these are complete.
        """

    def multiplies_integers(self, x: Value, weight: Weight, bias: F32) -> bool:
        """Whether a matrix product of *x* is one of integers, but its *bias* is none of these."""

    def constant(self, b: Builder, array: F32, name: str) -> Tensor:
        """A multiplier that no runtime may fold into the weights before it."""
