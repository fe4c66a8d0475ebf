"""What linear layers multiply by, with its integer codes, which take long to find."""

from functools import cached_property

from qconvert.emit.codes import WeightCodes, encode
from qconvert.emit.multiples import Multiples, multiples
from qconvert.ir import F32, Op
from qconvert.ir.ops import Conv, ConvTranspose, Dense

_BYTE_BITS = 8


class Weight:
    """An *array* with its output channels on *axis*; it is encoded once, when that is asked for."""

    def __init__(self, array: F32, axis: int, original: "Weight | None" = None) -> None:
        self.array = array
        self.axis = axis
        self._original = original

    @cached_property
    def codes(self) -> WeightCodes | None:
        """Integers and their steps, if a power-of-two grid holds all numbers."""
        if self._original is None:
            return encode(self.array, self.axis)
        found = self._original.codes
        if found is None:
            return None
        return WeightCodes(found.codes.T, found.exps, self.axis)

    @property
    def as_bytes(self) -> WeightCodes | None:
        """Its codes, if bytes hold them, as integer kernels need."""
        found = self.codes
        return None if found is None or found.bits > _BYTE_BITS else found

    @cached_property
    def multiples(self) -> Multiples | None:
        """Integers and one factor a channel, if these give all numbers."""
        return multiples(self.array, self.axis)

    def transposed(self) -> "Weight":
        """That of a matrix, [in, out] as [out, in]."""
        return Weight(self.array.T, 1 - self.axis, self)


def weight_of(op: Op) -> Weight | None:
    """That of a linear layer."""
    match op:
        case Dense():
            return dense_weight(op)
        case Conv():
            return conv_weight(op)
        case ConvTranspose():
            return conv_transpose_weight(op)
        case _:
            return None


def dense_weight(op: Dense) -> Weight:
    """In the layout of ``MatMul``: [in, out]."""
    return Weight(op.kernel, 1)


def conv_weight(op: Conv) -> Weight:
    """In ONNX's layout: (outputs, inputs / groups, *window)."""
    return Weight(_window_last(op.kernel), 0)


def conv_transpose_weight(op: ConvTranspose) -> Weight:
    """In ONNX's layout: (inputs, outputs, *window)."""
    return Weight(_window_last(op.kernel), 1)


def _window_last(kernel: F32) -> F32:
    rank = kernel.ndim
    return kernel.transpose(rank - 1, rank - 2, *range(rank - 2))
