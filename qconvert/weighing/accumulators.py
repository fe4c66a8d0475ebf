"""The integers that hold every partial sum of a layer, whatever the order of its terms."""

from dataclasses import dataclass, replace

import numpy as np

from qconvert.exactness import Analysis, Certificate, Divided, Reach, Sums
from qconvert.exactness.linear import sums, with_bias
from qconvert.exactness.reach import TooWideError, exact_sums
from qconvert.ir import F32, Node, Op, Weight, grid_of
from qconvert.ir.ops import Conv, ConvTranspose, Dense, Recurrence
from qconvert.ir.stock import MatMul
from qconvert.weighing.weights import codes_and_scales


@dataclass(frozen=True, slots=True)
class Accumulator:
    """Partial sums from ``lo`` to ``hi``, in steps of ``2**exp``, of the channel that has most.

    ``bias`` tells whether it is among the terms: one that would need much finer steps is not.
    Sums of codes whose scale is no power of two have no ``exp``, and no bias.
    """

    lo: int
    hi: int
    exp: int | None
    bias: bool

    @property
    def bits(self) -> int:
        """The width in two's complement."""
        return (max(self.hi + 1, -self.lo) - 1).bit_length() + 1


def accumulator(node: Node, analysis: Analysis, kernel: Weight | None = None) -> Accumulator | None:
    """That of a product, and of a loop the largest number of a step; ``None`` if not bounded.

    *kernel* is the weight of a single product, which may have codes that its numbers hide.
    """
    codes = None if kernel is None else _codes_for(node.op, kernel)
    if codes is not None and isinstance(node.op, Dense | Conv):
        found = _of_linear(
            replace(node.op, kernel=codes, bias=None), analysis.values.get(node.inputs[0])
        )
        return found and replace(found, exp=None)
    match node.op:
        case Dense() | Conv() | ConvTranspose():
            return _of_linear(node.op, analysis.values.get(node.inputs[0]))
        case MatMul() | Recurrence():
            return _of_certificate(analysis.certificates.get(node.name))
        case _:
            return None


def _of_linear(op: Dense | Conv | ConvTranspose, x: object) -> Accumulator | None:
    try:
        match x:
            case Reach():
                products = sums(op, x)
            case Divided(codes=codes):
                # In steps of the codes, which no bias is a multiple of.
                return _widest(sums(op, codes), bias=False)
            case _:
                return None
    except TooWideError:
        return None
    whole = None if op.bias is None else with_bias(products, op.bias)
    if whole is None or not _fits(whole, products):
        return _widest(products, bias=False)
    return _widest(whole, bias=True)


def _fits(whole: Sums, products: Sums) -> bool:
    """Whether the bias is one of the terms: on the grid of the products, or of float32."""
    exact = exact_sums(np.maximum(whole.positive, whole.negative), whole.exp)
    return bool(np.all((whole.exp == products.exp) | exact))


def _widest(found: Sums, *, bias: bool) -> Accumulator:
    need = np.maximum(found.positive + 1, found.negative)
    at = np.unravel_index(int(np.argmax(need)), need.shape)
    positive, negative, exp = (
        int(np.broadcast_to(each, need.shape)[at])
        for each in (found.positive, found.negative, found.exp)
    )
    return Accumulator(-negative, positive, exp, bias)


def _codes_for(op: Op, kernel: Weight) -> F32 | None:
    """Codes in the place of the operation's kernel, where the sums of a channel share a scale.

    Of powers of two the numbers themselves have as few bits.
    """
    on_grid = kernel.quantizer is None or grid_of(kernel.quantizer) is not None
    found = None if on_grid else codes_and_scales(kernel)
    if found is None or not isinstance(op, Dense | Conv) or kernel.raw.size != op.kernel.size:
        return None
    codes, scale = (np.broadcast_to(each, kernel.raw.shape) for each in found)
    by_channel = scale.reshape(-1, op.kernel.shape[-1])
    if np.all(np.frexp(scale)[0] == 0.5) or not np.all(by_channel == by_channel[0]):
        return None
    return codes.reshape(op.kernel.shape).astype(np.float32)


def _of_certificate(found: object) -> Accumulator | None:
    match found:
        case Certificate(magnitude=int() as magnitude, exp=int() as exp):
            return Accumulator(-magnitude, magnitude, exp, bias=True)
        case _:
            return None
