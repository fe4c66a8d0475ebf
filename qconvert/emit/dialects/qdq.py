"""Standard ONNX that ONNX Runtime turns into integer kernels, bit for bit.

Bytes are uint8 throughout, with zero point 128 where codes are signed: ONNX Runtime 1.32 fuses a
linear op only if its input and output have one type, and with int8 loses the fusion at a Clip.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx

from qconvert.emit import quantizers
from qconvert.emit.builder import Builder, Tensor
from qconvert.emit.codes import WeightCodes, encode, on_grid
from qconvert.emit.dialects.float import FloatDialect
from qconvert.emit.dialects.protocol import Kernel
from qconvert.emit.grids import bytes_hold, image, rounds_to, stretch
from qconvert.emit.packing import stored_codes, type_of_weights
from qconvert.emit.shield import axis_of, dequantized_int32, is_of_columns, scales_of
from qconvert.emit.values import Codes, Value, from_codes
from qconvert.emit.weights import Weight
from qconvert.ir import F32, Grid, Quantizer
from qconvert.ir.quantizers import (
    QuantizedBits,
    QuantizedHswish,
    QuantizedLinear,
    QuantizedRelu,
)

#: The first opset whose QuantizeLinear and DequantizeLinear know 16-bit integers.
_INT16_OPSET = 21
#: Of codes in int8, and in what is smaller than a float.
_BYTE_BITS, _STORED_BITS = 8, 16
#: Below so many weights the operators and factors take more than is saved.
_FEWEST_SCALED: Final = 128
#: Between ends of a Clip and of the integers behind it, ONNX Runtime takes this for nothing.
_DROPPED_CLIP = 2.0**-23


class QdqDialect:
    """``QuantizeLinear``, integer ``Clip``, ``DequantizeLinear``; integer weights."""

    integer_kernels = True

    def quantize(self, b: Builder, x: Value, quantizer: Quantizer) -> Value:
        """Integer codes where the results lie on a grid that an integer type holds."""
        if isinstance(quantizer, QuantizedHswish):
            return self.quantize(b, quantizers.hswish(b, x, quantizer), quantizer.rounding)
        grid = rounds_to(quantizer)
        if grid is None:
            y = Value(quantizers.apply(b, x, quantizer), x.layout)
            results = image(quantizer)
            return y if results is None else _to_codes(b, y, results, y.tensor, within=True)
        if _supplied_in_words(b, x, grid) and _only_rounds(b, x, quantizer):
            return _clipped(b, x, grid)
        if not (bytes_hold(grid) or _returns_words(b, x, grid, quantizer)):
            return Value(quantizers.apply(b, x, quantizer), x.layout)
        y = _to_codes(b, x, grid, quantizers.rounded_argument(b, x, quantizer))
        return _stretched(b, y, quantizer)

    def kernel(self, b: Builder, x: Value, weight: Weight) -> Kernel:
        """Bytes beside bytes; else floats, stored as the smallest integers that hold them."""
        if x.integer and weight.as_bytes is not None:
            return Kernel(_dequantized(b, x, weight.as_bytes, "kernel"), weight.as_bytes)
        assert x.codes is None, "a constant beside codes is rounded"
        return Kernel(_loaded(b, weight))

    def takes_codes(self, x: Value, weight: Weight) -> bool:
        """Bytes beside bytes."""
        return x.integer and weight.as_bytes is not None

    def bias(
        self, b: Builder, x: Value, kernel: Kernel, array: F32, *, early: bool
    ) -> Tensor | None:
        """An int32 bias in the steps of the products, if it lies on that grid; floats to floats."""
        if x.codes is None:
            return FloatDialect().bias(b, x, kernel, array, early=early)
        # Beside codes and integer weights ONNX Runtime rounds a float bias, so it is added behind.
        if not x.integer or kernel.codes is None:
            return None
        exps = kernel.codes.exps + x.codes.exp
        codes = on_grid(array, exps)
        if codes is None:
            return None
        return dequantized_int32(b, WeightCodes(codes, exps, 0), "bias")

    def multiplies_integers(self, x: Value, weight: Weight, bias: F32) -> bool:
        """Of bytes, with a bias that is off the grid of the products."""
        found = weight.as_bytes if x.integer else None
        if found is None or x.codes is None:
            return False
        return on_grid(bias, found.exps + x.codes.exp) is None

    def constant(self, b: Builder, array: F32, name: str) -> Tensor:
        """Dequantized integers, which no optimizer folds, where it would fold numbers."""
        found = encode(array, 0)
        if found is None or array.ndim == 0 or is_of_columns(array):
            return b.constant(array, name)
        return dequantized_int32(b, found, name)


def _leaves_residue(quantizer: Quantizer) -> bool:
    """Whether QKeras returns ``x + (q(x) - x)`` of an ``x`` that it has not clipped before.

    Beyond 2**24 steps, 512 times the range for 16 bits, that is not the quantized value.
    """
    match quantizer:
        case QuantizedBits(use_ste=use_ste):
            return use_ste
        case QuantizedLinear():
            return True
        case QuantizedRelu(is_quantized_clip=clipped, use_ste=use_ste):
            return use_ste and not clipped
        case _:
            return False


def _returns_words(b: Builder, x: Value, grid: Grid, quantizer: Quantizer) -> bool:
    """Whether the file returns codes in 16 bits, and these are all that QKeras returns.

    Elsewhere nothing computes with them, and floats are rounded in less time.
    """
    if b.scope not in b.returned or _leaves_residue(quantizer):
        return False
    fits = grid.hi < 1 << (16 if grid.lo >= 0 else 15) and _keeps_clip(grid)
    # ONNX Runtime merges adjacent pairs of one type, wrongly; a Clip of bytes keeps them apart.
    return fits and b.opset >= _INT16_OPSET and (x.codes is None or x.codes.narrow)


def _keeps_clip(grid: Grid) -> bool:
    """Whether the float Clip to a grid of more than bytes stays, if it needs one.

    ONNX Runtime drops it if both its ends are those of the integers, or less than that apart.
    """
    info = np.iinfo("int16" if grid.lo < 0 else "uint16")
    beside = max(grid.lo - info.min, info.max - grid.hi)
    return beside == 0 or beside * grid.step > _DROPPED_CLIP


def _to_codes(b: Builder, x: Value, grid: Grid, argument: Tensor, *, within: bool = False) -> Value:
    """Round *argument*, which is computed from *x*, to *grid*; one *within* it is not clipped."""
    signed = grid.lo < 0
    dtype, zero = ("uint8", 128 * signed) if bytes_hold(grid) else (f"{'u' * (not signed)}int16", 0)
    info = np.iinfo(dtype)
    lo, hi = grid.lo + zero, grid.hi + zero
    whole = within or (lo == info.min and hi == info.max)
    if info.bits == 16 and not whole:
        # ONNX Runtime has no 16-bit Clip.
        ends = b.scalar(grid.lo * grid.step), b.scalar(grid.hi * grid.step)
        argument = b.op("Clip", argument, *ends)
    scale, origin = b.scalar(grid.step), b.constant(np.array(zero, dtype), "zero")
    wanted = Codes("", dtype, zero, grid.exp, (grid.lo, grid.hi))
    given = _given_as(b, x, wanted.meaning) if argument == x.tensor else None
    codes = given or b.op("QuantizeLinear", argument, scale, origin)
    if info.bits == 8 and not (whole and (x.codes is None or given)):
        ends = b.constant(np.array(lo, dtype), "lo"), b.constant(np.array(hi, dtype), "hi")
        codes = b.op("Clip", codes, *ends)
    return from_codes(b, replace(wanted, tensor=codes), x.layout)


def _supplied_in_words(b: Builder, x: Value, grid: Grid) -> bool:
    """Whether the user supplies numbers of this grid in 16 bits, of which nothing is to round."""
    codes = x.codes
    if codes is None or codes.narrow or codes.zero or codes.exp != grid.exp:
        return False
    return b.supplies(codes.tensor)


def _only_rounds(b: Builder, x: Value, quantizer: Quantizer) -> bool:
    return quantizers.rounded_argument(b, x, quantizer) == x.tensor and not stretch(quantizer)


def _clipped(b: Builder, x: Value, grid: Grid) -> Value:
    """Codes in 16 bits may be others than those of the grid."""
    assert x.codes is not None
    if x.codes.ends == (grid.lo, grid.hi):
        return x
    ends = b.scalar(grid.lo * grid.step), b.scalar(grid.hi * grid.step)
    return Value(b.op("Clip", x.tensor, *ends), x.layout)


def _given_as(b: Builder, x: Value, meaning: tuple[str, int, int]) -> Tensor | None:
    """The codes of *x* if the user supplies them in just this *meaning*: nothing is to round."""
    if x.codes is None or x.codes.meaning != meaning or not b.supplies(x.codes.tensor):
        return None
    return x.codes.tensor


def _stretched(b: Builder, y: Value, quantizer: Quantizer) -> Value:
    """Multiply by the quantizer's power of two, which costs nothing."""
    more = stretch(quantizer)
    if not more or y.codes is None:
        return y
    return from_codes(b, replace(y.codes, exp=y.codes.exp + more), y.layout)


def _loaded(b: Builder, weight: Weight) -> Tensor:
    """Floats that floats are multiplied with, stored in as few bytes as their codes take.

    Runtimes compute them once, when they load the file, and may lay them out as their kernels like
    it; what is dequantized they would dequantize in every run.
    """
    found = weight.codes
    if found is None or found.bits > _STORED_BITS:
        return _scaled(b, weight)
    dtype = np.int8 if found.bits <= _BYTE_BITS else np.int16
    steps = np.ldexp(np.float32(1), found.exps.astype(np.int32)).astype(np.float32)
    others = (1 if axis != found.axis else -1 for axis in range(found.codes.ndim))
    factors = steps.reshape(() if found.axis is None else tuple(others))
    return _product(b, found.codes.astype(dtype), factors)


def _scaled(b: Builder, weight: Weight) -> Tensor:
    """The same of weights on no grid, if they are codes times any number a channel."""
    if weight.array.size < _FEWEST_SCALED:
        return b.constant(weight.array, "kernel")
    found = weight.multiples
    if found is None or 4 * found.factors.size > found.codes.size:
        return b.constant(weight.array, "kernel")
    return _product(b, found.codes, found.factors)


def _product(b: Builder, codes: npt.NDArray[Any], factors: F32) -> Tensor:
    stored = stored_codes(b, codes, "kernel")
    numbers = b.op("Cast", stored, attributes={"to": onnx.TensorProto.FLOAT})
    return b.op("Mul", numbers, b.constant(factors, "kernel_scale"))


def _dequantized(b: Builder, x: Value, found: WeightCodes, name: str) -> Tensor:
    dtype, zero = type_of_weights(b, found, x.codes)
    zeros = np.full(() if found.axis is None else found.exps.shape, zero, dtype)
    stored = stored_codes(b, found.stored_as(dtype, zero), name)
    return b.op(
        "DequantizeLinear",
        stored,
        scales_of(b, found, name),
        b.constant(zeros, "zero"),
        attributes=axis_of(found),
    )
